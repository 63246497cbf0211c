"""What every kind of source is read into, and the rules that hold for all of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from tl_keras.data.example import LABEL_SEPARATOR, SPLITS, Example
from tl_keras.errors import DataError

SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "test": "test",
    "testing": "test",
}
"""Lower-case names that people give to splits -> ours."""


@dataclass(frozen=True, slots=True)
class Source:
    """Labelled images as found, not yet opened.

    Attributes:
        examples: In a stable order; `split` is empty where the source has none.
        classes: Class names in the order of the model's outputs.
        notes: Remarks for people, e.g. how many other files were passed over.
    """

    examples: tuple[Example, ...]
    classes: tuple[str, ...]
    notes: tuple[str, ...] = ()


def require_sound(source: Source, name: str) -> Source:
    """Return `source` if a classifier can be trained on it.

    Raises:
        DataError: No images, fewer than two classes, splits without `train`, or classes that `train` lacks.
    """
    if not source.examples:
        raise DataError(f"No images in {name}.")
    splits = {example.split for example in source.examples}
    if splits != {""} and "train" not in splits:
        raise DataError(
            f"{name} has images for {listed(sorted(splits))} but none for train; add a train split."
        )
    if len(source.classes) < 2:
        raise DataError(
            f"Expected at least two classes in {name}, found {listed(source.classes) or 'none'}.\n"
            "Add images of something else, e.g. a class named `other`."
        )
    _require_all_in_train(source, name)
    return source


def forbid_separator(classes: Iterable[str], name: str) -> None:
    """Refuse class names that would be taken for several classes."""
    joined = [label for label in classes if LABEL_SEPARATOR in label]
    if joined:
        raise DataError(
            f"{name}: {listed(joined)} names several classes, but data.task is multiclass.\n"
            f"For several classes per image use a manifest with --set data.task=multilabel; "
            f"otherwise rename it without {LABEL_SEPARATOR!r}."
        )


def forbid_line_breaks(classes: Iterable[str], name: str) -> None:
    """Refuse class names that do not fit on one line of labels.txt."""
    broken = [label for label in classes if len(f"{label}|".splitlines()) > 1]
    if broken:
        raise DataError(f"{name}: class names must be one line; found {listed(broken)}. Rename them.")


def _require_all_in_train(source: Source, name: str) -> None:
    seen: dict[str, set[str]] = {split: set() for split in ("", *SPLITS)}
    for example in source.examples:
        seen[example.split].update(example.labels)
    learnt = seen["train"] | seen[""]
    for split in ("val", "test"):
        if seen[split] - learnt:
            raise DataError(
                f"{name}: {split} has classes that train lacks: {listed(sorted(seen[split] - learnt))}.\n"
                f"Classes in train: {listed(sorted(learnt))}. Are they spelled alike?"
            )
    unused = [label for label in source.classes if label not in learnt]
    if unused:
        raise DataError(
            f"{name}: no images to learn from for {listed(unused)}. Add some or remove the class."
        )


def listed(names: Iterable[str], limit: int = 10) -> str:
    """Return names joined by commas, at most `limit` of them."""
    names = list(names)
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(repr(name) for name in names[:limit]) + more


def counted(number: int, noun: str) -> str:
    """Return `1 image`, `2 images`, `1,000 images`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
