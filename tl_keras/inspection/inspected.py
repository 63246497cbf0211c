"""What training needs of the inspection: which images can be read, and which belong together."""

from __future__ import annotations

from collections.abc import Sequence

from tl_keras.config import Config
from tl_keras.data.example import Example
from tl_keras.inspection.copies import find_copies, with_groups
from tl_keras.inspection.examine import examine

MEGA = 1e6


def inspected(examples: Sequence[Example], config: Config) -> list[Example]:
    """Return the examples in the same order with `sha256`, `problem` and `group`, with a progress bar."""
    examined = examine(examples, config.data.max_megapixels * MEGA, config.runtime)
    return with_groups(examined.examples, find_copies(examined))
