"""What every kind of source is read into, and the rules that hold for all of them."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from tl_keras.core.wording import counted, listed
from tl_keras.data.example import LABEL_SEPARATOR, SPLITS, Example
from tl_keras.data.findings import Finding, FindingKind
from tl_keras.data.sources import finding_kinds as kinds

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
class ImageSource:
    """Labeled images as found, not yet opened.

    Attributes:
        examples: In a stable order; `split` is empty where the source has none.
        classes: Class names in the order of the model's outputs.
        findings: What is wrong with the whole or worth knowing, in the order in which it was found.
    """

    examples: tuple[Example, ...]
    classes: tuple[str, ...]
    findings: tuple[Finding, ...] = ()

    @property
    def remarks(self) -> tuple[str, ...]:
        """What `tlk fit` says about the findings."""
        return tuple(finding.detail for finding in self.findings if finding.kind not in kinds.QUIET)

    def with_findings(self, findings: Iterable[Finding]) -> ImageSource:
        """Return the same with more findings."""
        return replace(self, findings=(*self.findings, *findings))


def without_unusable_classes(source: ImageSource, name: str, *, multilabel: bool) -> ImageSource:
    """Leave out classes whose names cannot be used, with a finding for each."""
    bad = {label: kind for label in source.classes if (kind := _unusable(label, multilabel))}
    if not bad:
        return source
    findings = [Finding(kind, name, _unusable_text(kind, label, name), label) for label, kind in bad.items()]
    kept = tuple(e for e in source.examples if not bad.keys() & {e.label, *e.labels})
    classes = tuple(label for label in source.classes if label not in bad)
    return replace(source, examples=kept, classes=classes).with_findings(findings)


def _unusable(label: str, multilabel: bool) -> FindingKind | None:
    if LABEL_SEPARATOR in label and not multilabel:
        return kinds.JOINED_CLASSES
    return kinds.BROKEN_CLASSES if len(f"{label}|".splitlines()) > 1 else None


def _unusable_text(kind: FindingKind, label: str, name: str) -> str:
    if kind == kinds.JOINED_CLASSES:
        return f"{name}: {joined_text(label)}"
    return f"{name}: class names must be one line; found {label!r}. Rename it."


def joined_text(label: str) -> str:
    """Say why a label with the separator is refused where an image has one class."""
    return (
        f"{label!r} names several classes, but data.task is multiclass.\n"
        f"For several classes per image use a manifest with --set data.task=multilabel; "
        f"otherwise rename it without {LABEL_SEPARATOR!r}."
    )


def alike_classes(source: ImageSource, name: str) -> Iterator[Finding]:
    """Yield a finding for every group of class names that are probably one class."""
    groups: dict[str, list[str]] = defaultdict(list)
    for label in source.classes:
        groups[_normalized(label)].append(label)
    doubtful = [labels for labels in groups.values() if len(labels) > 1]
    if not doubtful:
        return
    sizes = Counter(label for example in source.examples for label in example.labels)
    for labels in doubtful:
        found = ", ".join(f"{label!r} ({counted(sizes[label], 'image')})" for label in labels[:10])
        detail = f"class names spelled almost alike: {found}. Is this one class?"
        yield Finding(kinds.ALIKE_CLASSES, name, detail, label=labels[0])


def _normalized(label: str) -> str:
    """Return what is left of a name without case, form and separators, but for those between digits."""
    folded = unicodedata.normalize("NFKC", label).casefold()
    return re.sub(r"(?<!\d)[\s_-]+|[\s_-]+(?!\d)", "", folded)


def structural_findings(source: ImageSource, name: str) -> Iterator[Finding]:
    """Yield why a classifier cannot be trained on these images, or not be measured fully."""
    seen: dict[str, set[str]] = defaultdict(set)
    for example in source.examples:
        if example.is_used:
            seen[example.split].update(example.labels)
    if not seen:
        yield Finding(kinds.NO_IMAGES, name, f"No images in {name}.")
        return
    trained = "train" in seen or "" in seen
    if not trained:
        detail = f"{name} has images for {listed(sorted(seen))} but none for train; add a train split."
        yield Finding(kinds.NO_TRAIN, name, detail)
    if len(source.classes) < 2:
        detail = (
            f"Expected at least two classes in {name}, found {listed(source.classes) or 'none'}.\n"
            "Add images of something else, e.g. a class named `other`."
        )
        yield Finding(kinds.ONE_CLASS, name, detail)
    if trained:
        yield from _not_in_train(source, name, seen)
        yield from _not_measured(name, seen)


def _not_in_train(source: ImageSource, name: str, seen: dict[str, set[str]]) -> Iterator[Finding]:
    learned = seen["train"] | seen[""]
    strange: set[str] = set()
    for split in SPLITS[1:]:
        if seen[split] - learned:
            strange |= seen[split] - learned
            detail = (
                f"{name}: {split} has classes that train lacks: {listed(sorted(seen[split] - learned))}.\n"
                f"Classes in train: {listed(sorted(learned))}. Are they spelled alike?"
            )
            yield Finding(kinds.CLASSES_NOT_IN_TRAIN, name, detail, split=split)
    unused = [label for label in source.classes if label not in learned | strange]
    if unused:
        detail = f"{name}: no images to learn from for {listed(unused)}. Add some or remove the class."
        yield Finding(kinds.CLASSES_NOT_IN_TRAIN, name, detail)


def _not_measured(name: str, seen: dict[str, set[str]]) -> Iterator[Finding]:
    learned = seen["train"] | seen[""]
    for split in SPLITS[1:]:
        if seen[split] and learned - seen[split]:
            detail = f"{split} has no images of {listed(sorted(learned - seen[split]))}"
            yield Finding(kinds.CLASSES_NOT_MEASURED, name, detail, split=split)
