"""Source -> checked examples with their splits, and what is said about them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tl_keras.config import DataConfig
from tl_keras.console import progress, say, warn
from tl_keras.data.check import check
from tl_keras.data.example import SPLITS, Example
from tl_keras.data.sources.source import Source
from tl_keras.data.splits import assign_splits, leaked, require_files
from tl_keras.errors import DataError
from tl_keras.geometry import Geometry

SHOWN = 10


@dataclass(frozen=True, slots=True)
class Prepared:
    """All examples of a run, those left out included.

    Attributes:
        examples: In the source's order; `problem` tells which were left out.
        classes: Class names in the order of the model's outputs.
    """

    examples: tuple[Example, ...]
    classes: tuple[str, ...]

    def split(self, name: str) -> list[Example]:
        """Return the usable examples of one split."""
        return [e for e in self.examples if e.split == name and not e.problem]

    @property
    def reported_split(self) -> str:
        """`test`, or `val` where the source has no test images."""
        return "test" if self.split("test") else "val"


def check_images(examples: Sequence[Example], geometry: Geometry) -> list[Example]:
    """Check every image, with a progress bar."""
    with progress("checking images", len(examples)) as advance:
        return check(examples, geometry, advance)


def prepare(
    source: Source, config: DataConfig, seed: int, checker: Callable[[Sequence[Example]], list[Example]]
) -> Prepared:
    """Check every image, decide the splits, and say what was found.

    Args:
        source: The images.
        config: For the shares of the splits.
        seed: Decides the splits.
        checker: Gives every example its `sha256` and `problem`, as `check_images` does.

    Raises:
        DataError: Nothing readable is left of a class, or a class has too few images.
    """
    require_files(source.examples, config.split)
    checked = checker(source.examples)
    say_problems(checked)
    prepared = Prepared(tuple(assign_splits(checked, config.split, seed)), source.classes)
    _require_images(prepared)
    _say_counts(prepared, source)
    return prepared


def _require_images(prepared: Prepared) -> None:
    for split in ("train", "val"):
        if not prepared.split(split):
            raise DataError(f"No readable images are left in {split}; see the reasons above.")
    found = {label for example in prepared.split("train") for label in example.labels}
    missing = [name for name in prepared.classes if name not in found]
    if missing:
        raise DataError(
            f"No readable training images are left of: {', '.join(missing)}. Add some, or remove the class."
        )


def say_problems(checked: Sequence[Example]) -> None:
    """List the images that are left out, the first ten with their reasons."""
    bad = [example for example in checked if example.problem]
    if not bad:
        return
    warn(f"{len(bad)} of {len(checked)} images {'was' if len(bad) == 1 else 'were'} left out:")
    for example in bad[:SHOWN]:
        say(f"  {example.path}: {example.problem}")
    if len(bad) > SHOWN:
        say(f"  ... and {len(bad) - SHOWN} more; the run's manifest.csv lists all of them")


def _say_counts(prepared: Prepared, source: Source) -> None:
    for remark in source.remarks:
        warn(remark)
    used = [example for example in prepared.examples if not example.problem]
    sizes = Counter(example.split for example in used)
    parts = ", ".join(f"{split} {sizes[split]}" for split in SPLITS if sizes[split])
    say(f"{len(used)} images in {len(prepared.classes)} classes: {parts}")
    copies = leaked(used)
    if copies:
        warn(f"{copies} images of val or test are also in train, byte for byte: their figures flatter.")
