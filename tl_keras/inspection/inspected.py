"""What training needs of the inspection: which images can be read, and which belong together."""

from __future__ import annotations

from collections.abc import Sequence

from tl_keras.config import Config
from tl_keras.data.example import Example
from tl_keras.inspection.copies import Copies, find_copies, with_groups
from tl_keras.inspection.examine import Examined, examine


def examined_and_compared(examples: Sequence[Example], config: Config) -> tuple[Examined, Copies]:
    """Open every image and compare it with all others, with progress bars."""
    examined = examine(examples, config.data.max_megapixels * 1e6, config.runtime)
    return examined, find_copies(examined, look_alikes=config.data.near_duplicates == "group")


def inspected(examples: Sequence[Example], config: Config) -> list[Example]:
    """Return the examples in the same order with `sha256`, `problem` and `group`."""
    examined, copies = examined_and_compared(examples, config)
    return with_groups(examined.examples, copies)
