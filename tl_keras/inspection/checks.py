"""From examined images to findings."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import numpy as np
import numpy.typing as npt

from tl_keras.config.schema import DataConfig
from tl_keras.core.wording import counted
from tl_keras.data.example import SPLITS, Example
from tl_keras.data.findings import SEVERITIES, Finding, FindingKind
from tl_keras.data.images.facts import Facts
from tl_keras.data.selection import without_copies
from tl_keras.data.splits import too_small
from tl_keras.inspection import finding_kinds as kinds
from tl_keras.inspection.copies import Copies, has_contrast
from tl_keras.inspection.examine import ExaminedImages

MOST_SCALED, MOST_ASPECT = 4, 4
SMALL_CLASS, LEAST_BALANCE = 20, 0.2
FEW, MOST_SHARE = 20, 0.5
"""What more images have than both, the second as a share of all of them, is a single finding."""
Bools = npt.NDArray[np.bool_]
SUFFIXES = {
    "JPEG": {".jpg", ".jpeg", ".jpe", ".jfif"},
    "MPO": {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"},
    "PNG": {".png"},
    "BMP": {".bmp"},
    "GIF": {".gif"},
    "WEBP": {".webp"},
}


def file_findings(examined: ExaminedImages, side: int, source: str) -> Iterator[Finding]:
    """Yield what is wrong with single files, and what is particular about them.

    Args:
        examined: The images.
        side: Height and width of the model's input, pixels.
        source: What to call the whole, in a finding about most of the images.
    """
    for example in examined.examples:
        if example.skipped in kinds.BY_REASON:
            yield _about(example, kinds.BY_REASON[example.skipped], example.problem)
    readable = np.array([example.is_used for example in examined.examples], bool)
    for feature in _features(side):
        yield from _having(feature, np.flatnonzero(readable & feature.has(examined.facts)), examined, source)
    yield from _lying_extensions(examined)


def _having(
    feature: _Feature, indices: npt.NDArray[np.int64], examined: ExaminedImages, source: str
) -> Iterator[Finding]:
    """Yield a finding for each of these images, or a single one if most images are like that."""
    images = len(examined.examples)
    most = len(indices) > max(FEW, MOST_SHARE * images)
    for index in indices[:1] if most else indices:
        example, facts = examined.examples[index], examined.facts[index]
        if most:
            detail = f"{PurePath(example.path).name}: {feature.detail(facts)}"
            yield Finding(feature.kind, source, f"{len(indices):,} of {images:,} images, such as {detail}")
        else:
            yield _about(example, feature.kind, feature.detail(facts), score=feature.score(facts))


@dataclass(frozen=True, slots=True)
class _Feature:
    """Something particular about a readable image."""

    kind: FindingKind
    has: Callable[[Facts], Bools]
    detail: Callable[[Any], str]
    score: Callable[[Any], float] = lambda _: 0.0


def _features(side: int) -> tuple[_Feature, ...]:
    """Return what to look for."""
    return (
        _Feature(kinds.ANIMATED, lambda facts: facts["animated"], lambda _: "more than one frame"),
        _Feature(
            kinds.FAR_TOO_SMALL,
            lambda facts: _shorter(facts) * MOST_SCALED < side,
            lambda one: f"{_size_text(one)}, for {side} x {side}",
            lambda one: -float(_shorter(one)),
        ),
        _Feature(kinds.EXTREME_ASPECT, lambda facts: _aspect(facts) > MOST_ASPECT, _size_text, _aspect),
        _Feature(kinds.BLANK, lambda facts: ~has_contrast(facts), lambda _: "no contrast"),
        _Feature(
            kinds.ROTATED,
            lambda facts: facts["orientation"] > 1,
            lambda one: f"orientation {one['orientation']}",
        ),
        _Feature(kinds.CMYK, lambda facts: facts["mode"] == b"CMYK", lambda _: "CMYK"),
        _Feature(kinds.DEEP, lambda facts: facts["deep"], lambda _: "16 bits per channel"),
        _Feature(kinds.PALETTE, lambda facts: np.isin(facts["mode"], (b"P", b"PA")), lambda _: "palette"),
        _Feature(kinds.ALPHA, lambda facts: facts["alpha"], lambda _: "transparency"),
    )


def _shorter(facts: Any) -> Any:
    return np.minimum(facts["width"], facts["height"])


def _aspect(facts: Any) -> Any:
    return np.maximum(facts["width"], facts["height"]) / np.maximum(_shorter(facts), 1)


def _size_text(one: Any) -> str:
    return f"{one['width']} x {one['height']} pixels"


def _lying_extensions(examined: ExaminedImages) -> Iterator[Finding]:
    for example, format_name in zip(examined.examples, examined.facts["format"].astype(str), strict=True):
        suffix = os.path.splitext(example.path)[1].lower()
        if example.is_used and suffix not in SUFFIXES[format_name]:
            detail = f"{suffix or 'no extension'}, and it is {format_name}"
            yield _about(example, kinds.WRONG_EXTENSION, detail)


def copy_findings(
    examples: Sequence[Example], grouped: Sequence[Example], copies: Copies
) -> Iterator[Finding]:
    """Yield images that are copies of others, and images whose relatives are in other splits.

    Args:
        examples: With the user's groups only.
        grouped: The same with `with_groups`.
        copies: Of these.
    """
    pairs = [
        (index, first, (kinds.OTHER_LABEL, kinds.LEAK, kinds.EXACT_COPY))
        for index, first in copies.exact.items()
    ]
    near = (kinds.NEAR_CONFLICT, kinds.NEAR_LEAK, kinds.NEAR_DUPLICATE)
    pairs += [(other, one, near) for one, other in copies.near.tolist()]
    reported = set()
    for index, other, found in pairs:
        for finding in _compare(examples[index], examples[other], found):
            if finding.kind in (kinds.LEAK, kinds.NEAR_LEAK):
                reported.add(finding.path)
            yield finding
    yield from _other_leaks(examples, grouped, reported)


def _compare(
    example: Example, other: Example, found: tuple[FindingKind, FindingKind, FindingKind]
) -> Iterator[Finding]:
    """Yield what a pair is: of different labels, of different splits, or else a mere copy."""
    conflict, leak, copy = found
    if _order(example) < _order(other):
        example, other = other, example
    differences = []
    if example.label != other.label:
        differences.append((conflict, f"the other is labeled {other.label}"))
    if example.split != other.split:
        differences.append((leak, f"the other is in {other.split}"))
    for kind, detail in differences or [(copy, "")]:
        yield _about(example, kind, detail, other=other.path)


def _order(example: Example) -> int:
    return SPLITS.index(example.split or "train")


def _other_leaks(
    examples: Sequence[Example], grouped: Sequence[Example], reported: Container[str]
) -> Iterator[Finding]:
    """Yield images with a relative in an earlier split that no pair has reported, such as a group."""
    names = {example.group for example in examples} - {""}
    first: dict[str, Example] = {}
    for example in sorted(grouped, key=_order):
        if not example.is_used:
            continue
        other = first.setdefault(example.split_unit, example)
        if other.split != example.split and example.path not in reported:
            kind = kinds.GROUP_LEAK if example.group in names else kinds.NEAR_LEAK
            yield _about(example, kind, f"the other is in {other.split}", other=other.path)


def class_findings(examples: Sequence[Example], config: DataConfig, source: str) -> Iterator[Finding]:
    """Yield classes that are too small, and imbalance.

    Args:
        examples: Checked, with groups.
        config: For the splits.
        source: What to call the whole.
    """
    counts = class_counts(examples)
    totals = {label: sum(by_split.values()) for label, by_split in counts.items()}
    short = too_small(without_copies(examples), config)
    for label, units in short.items():
        yield Finding(
            kinds.FEW_IMAGES, source, f"{label!r} has {counted(units, 'different image')} to use", label=label
        )
    for label, total in totals.items():
        if total < SMALL_CLASS and label not in short:
            yield Finding(kinds.SMALL_CLASS, source, f"{label!r} has {counted(total, 'image')}", label=label)
    least, most = (pick(totals, key=lambda label: totals[label], default="") for pick in (min, max))
    if totals and totals[least] < LEAST_BALANCE * totals[most]:
        detail = f"{least!r} has {counted(totals[least], 'image')}, {most!r} {totals[most]:,}"
        yield Finding(kinds.IMBALANCE, source, detail, label=least)


def class_counts(examples: Iterable[Example]) -> dict[str, Counter[str]]:
    """Return class -> split (empty where the source has none) -> readable images."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for example in examples:
        for label in example.labels:
            counts[label][example.split] += example.is_used
    return dict(sorted(counts.items()))


def worst_first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings by severity, kind (in the order they come in) and score."""
    by_kind: dict[FindingKind, list[Finding]] = defaultdict(list)
    for finding in findings:
        by_kind[finding.kind].append(finding)
    kinds_in_order = sorted(by_kind, key=lambda kind: SEVERITIES.index(kind.severity))
    return tuple(
        finding
        for kind in kinds_in_order
        for finding in sorted(by_kind[kind], key=lambda finding: -finding.score)
    )


def _about(
    example: Example, kind: FindingKind, detail: str, *, other: str = "", score: float = 0.0
) -> Finding:
    return Finding(kind, example.path, detail, example.label, example.split, other, score=score)
