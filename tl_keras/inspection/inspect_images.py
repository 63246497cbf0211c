"""Looking at all images once: which can be read, what they are, and which are copies of others."""

from __future__ import annotations

from collections.abc import Sequence

from tl_keras.config.schema import Config
from tl_keras.data.example import Example
from tl_keras.inspection.copies import Copies, find_copies, with_groups
from tl_keras.inspection.examine import ExaminedImages, examine


def examine_and_compare(examples: Sequence[Example], config: Config) -> tuple[ExaminedImages, Copies]:
    """Open every image and compare it with all others, with progress bars."""
    examined = examine(examples, config.data.max_megapixels * 1e6, config.runtime)
    return examined, find_copies(examined, look_alikes=config.data.near_duplicates == "group")


def inspect_images(examples: Sequence[Example], config: Config) -> list[Example]:
    """Return the examples in the same order with `sha256`, `skipped` and `group`."""
    examined, copies = examine_and_compare(examples, config)
    return with_groups(examined.examples, copies)
