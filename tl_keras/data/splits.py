"""Which images are trained on, which are chosen by, and which are kept for the final score.

An image's content decides, so copies stay together and adding images moves no other image (but for the few
that are moved to give a small class an image in every split).
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import replace
from itertools import product

from tl_keras.config import SplitConfig
from tl_keras.data.example import Example
from tl_keras.errors import DataError

Stretches = dict[str, tuple[float, float]]
"""Split -> its part of [0, 1), from the start up to the end."""


def assign_splits(examples: Iterable[Example], split: SplitConfig, seed: int) -> list[Example]:
    """Give every readable image a split; images with a problem are passed on as they are.

    Splits that the source brings are kept. What it lacks is taken out of `train`: `val` where there is a
    `test`, both where there is only `train` (or no split at all). Every class gets an image in each split
    made here, as far as whole groups of identical images can be moved.

    Args:
        examples: Checked images.
        split: Shares.
        seed: Another seed is another division.

    Raises:
        DataError: A class has too few distinct readable images to be divided.
    """
    examples = list(examples)
    stretches = _stretches({example.split for example in examples if not example.problem}, split)
    pool = [example for example in examples if _is_open(example)]
    _require_enough(examples, pool, list(stretches))
    positions = {example.sha256: _position(example.sha256, seed) for example in pool}
    placed = {sha256: _split_at(position, stretches) for sha256, position in positions.items()}
    _complete_classes(pool, positions, stretches, placed)
    return [
        replace(example, split=placed[example.sha256]) if _is_open(example) else example
        for example in examples
    ]


def require_files(examples: Iterable[Example], split: SplitConfig) -> None:
    """Refuse classes with too few files to be divided, before any of these is opened.

    Raises:
        DataError: See `assign_splits`.
    """
    by_path = [replace(example, sha256=example.path) for example in examples]
    stretches = _stretches({example.split for example in by_path}, split)
    _require_enough(by_path, [example for example in by_path if _is_open(example)], list(stretches))


def leaked(examples: Iterable[Example]) -> int:
    """Return how many readable val and test images are also in train, byte for byte."""
    readable = [example for example in examples if not example.problem]
    trained = {example.sha256 for example in readable if example.split == "train"}
    return sum(example.split in ("val", "test") and example.sha256 in trained for example in readable)


def _is_open(example: Example) -> bool:
    """Tell whether this image's split is ours to choose."""
    return not example.problem and example.split in ("", "train")


def _stretches(given: set[str], split: SplitConfig) -> Stretches:
    """Divide [0, 1) among the splits that must be made, given those that the source brings."""
    if "val" in given:
        return {"train": (0.0, 1.0)}
    if "test" in given:
        val = split.val / (split.train + split.val)
        return {"val": (0.0, val), "train": (val, 1.0)}
    cut = split.test + split.val
    return {"test": (0.0, split.test), "val": (split.test, cut), "train": (cut, 1.0)}


def _position(sha256: str, seed: int) -> float:
    """Return an image's place in [0, 1), drawn from its content and the seed."""
    digest = hashlib.sha256(f"{seed}:{sha256}".encode()).digest()
    return int.from_bytes(digest[:6]) / 2**48


def _split_at(position: float, stretches: Stretches) -> str:
    return next(split for split, (_, end) in stretches.items() if position < end)


def _complete_classes(
    pool: list[Example], positions: dict[str, float], stretches: Stretches, placed: dict[str, str]
) -> None:
    """Change `placed` so that every class is in every split, moving the images nearest to the cut."""
    labels: dict[str, set[str]] = defaultdict(set)
    for example in pool:
        labels[example.sha256].update(example.labels)
    members: dict[str, list[str]] = defaultdict(list)
    for sha256 in sorted(labels):
        for label in labels[sha256]:
            members[label].append(sha256)
    counts = Counter((label, placed[sha256]) for label, group in members.items() for sha256 in group)
    for label, split in product(sorted(members), stretches):
        if counts[label, split]:
            continue
        # Others may share an image's content: no class may lose its last one in a split.
        spare = [
            sha256
            for sha256 in members[label]
            if all(counts[other, placed[sha256]] > 1 for other in labels[sha256])
        ]
        if spare:
            moved = min(spare, key=lambda sha256: _distance(positions[sha256], stretches[split]))
            counts.subtract((other, placed[moved]) for other in labels[moved])
            counts.update((other, split) for other in labels[moved])
            placed[moved] = split


def _distance(position: float, stretch: tuple[float, float]) -> float:
    start, end = stretch
    return max(start - position, position - end)


def _require_enough(examples: list[Example], pool: list[Example], splits: list[str]) -> None:
    """Refuse classes that cannot have a distinct image in each of the splits to be made."""
    hashes: dict[str, set[str]] = {label: set() for example in examples for label in example.labels}
    for example in pool:
        for label in example.labels:
            hashes[label].add(example.sha256)
    short = [
        f"{label!r} has {len(found)}" for label, found in sorted(hashes.items()) if len(found) < len(splits)
    ]
    if short:
        more = f" and {len(short) - 10} more classes" if len(short) > 10 else ""
        raise DataError(
            f"Every class needs at least {len(splits)} different readable images "
            f"for {', '.join(reversed(splits))}; {', '.join(short[:10])}{more}.\n"
            "Add images or remove the class."
        )
