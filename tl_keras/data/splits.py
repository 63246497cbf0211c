"""Which images are trained on, which are chosen by, and which are kept for the final score.

An image's content decides, or the name of its group: copies stay together, and adding images moves no other
image, but for the few that are moved to give a small class an image in every split, and near-duplicates whose
group gets another name from a new member.
"""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import replace
from itertools import product

from tl_keras.config.schema import DataConfig
from tl_keras.data.example import Example
from tl_keras.errors import ConfigError, DataError

Stretches = dict[str, tuple[float, float]]
"""Split -> its part of [0, 1), from the start up to the end."""


def assign_splits(examples: Iterable[Example], config: DataConfig, seed: int) -> list[Example]:
    """Give every readable image a split; images that are left out are passed on as they are.

    Splits that the source brings are kept. What it lacks is taken out of `train`: `val` where there is a
    `test`, both where there is only `train` (or no split at all). Every class gets an image in each split
    made here, as far as whole groups can be moved.

    Args:
        examples: Checked images.
        config: For the shares, or which of the folds is to be the test.
        seed: Another seed is another division.

    Raises:
        DataError: A class has too few distinct readable images to be divided.
        ConfigError: Folds are asked for, and the source has its own val or test.
    """
    examples = list(examples)
    stretches = _stretches({example.split for example in examples}, config)
    pool = [example for example in examples if may_be_split(example)]
    _require_enough(examples, pool, list(stretches))
    turn = (config.fold - 1) / config.folds if config.folds else 0.0
    positions = {
        unit: (split_position(unit, seed) - turn) % 1.0 for unit in {example.split_unit for example in pool}
    }
    placed = {unit: _split_at(place, stretches) for unit, place in positions.items()}
    _complete_classes(pool, positions, stretches, placed)
    return [
        replace(example, split=placed[example.split_unit]) if may_be_split(example) else example
        for example in examples
    ]


def require_files(examples: Iterable[Example], config: DataConfig) -> None:
    """Refuse classes with too few files to be divided, before any of these is opened.

    Raises:
        DataError: See `assign_splits`.
        ConfigError: The same.
    """
    by_path = [replace(example, sha256=example.path) for example in examples]
    stretches = _stretches({example.split for example in by_path}, config)
    _require_enough(by_path, [example for example in by_path if may_be_split(example)], list(stretches))


def too_small(examples: Iterable[Example], config: DataConfig) -> dict[str, int]:
    """Return the classes that `assign_splits` would refuse, and how many distinct images they have."""
    examples = list(examples)
    without_folds = config.model_copy(update={"folds": 0, "fold": 1})
    stretches = _stretches({example.split for example in examples}, without_folds)
    return _too_small(examples, [example for example in examples if may_be_split(example)], list(stretches))


def makes_splits(examples: Iterable[Example]) -> bool:
    """Tell whether there are splits to be made, or the source has brought all of them."""
    return all(example.split != "val" for example in examples)


def leaked(examples: Iterable[Example]) -> list[Example]:
    """Return the readable val and test images of which train has a copy, a near-duplicate or a relative."""
    readable = [example for example in examples if example.is_used]
    trained = {example.split_unit for example in readable if example.split == "train"}
    return [e for e in readable if e.split in ("val", "test") and e.split_unit in trained]


def may_be_split(example: Example) -> bool:
    """Tell whether this image's split is ours to choose."""
    return example.is_used and example.split in ("", "train")


def split_position(unit: str, seed: int) -> float:
    """Return the place in [0, 1) of an image or group, drawn from its content or name and the seed."""
    digest = hashlib.sha256(f"{seed}:{unit}".encode()).digest()
    return int.from_bytes(digest[:6]) / 2**48


def _stretches(given: set[str], config: DataConfig) -> Stretches:
    """Divide [0, 1) among the splits that must be made, given those that the source brings."""
    split = config.split
    if config.folds and given & {"val", "test"}:
        raise ConfigError(
            "data.folds makes val and test itself, but these images have splits of their own already.\n"
            "Leave folds out, or give only the images that are to be divided."
        )
    if "val" in given:
        return {"train": (0.0, 1.0)}
    share = split.val / (split.train + split.val)
    if "test" in given:
        return {"val": (0.0, share), "train": (share, 1.0)}
    test = 1 / config.folds if config.folds else split.test
    cut = test + share * (1 - test)
    return {"test": (0.0, test), "val": (test, cut), "train": (cut, 1.0)}


def _split_at(place: float, stretches: Stretches) -> str:
    return next(split for split, (_, end) in stretches.items() if place < end)


def _complete_classes(
    pool: list[Example], positions: dict[str, float], stretches: Stretches, placed: dict[str, str]
) -> None:
    """Change `placed` so that every class is in every split, moving the images nearest to the cut."""
    labels: dict[str, set[str]] = defaultdict(set)
    for example in pool:
        labels[example.split_unit].update(example.labels)
    members: dict[str, list[str]] = defaultdict(list)
    for unit in sorted(labels):
        for label in labels[unit]:
            members[label].append(unit)
    counts = Counter((label, placed[unit]) for label, units in members.items() for unit in units)
    for label, split in product(sorted(members), stretches):
        if counts[label, split]:
            continue
        # Others may share an image's content: no class may lose its last one in a split.
        spare = [
            unit for unit in members[label] if all(counts[other, placed[unit]] > 1 for other in labels[unit])
        ]
        if spare:
            moved = min(spare, key=lambda unit: _distance(positions[unit], stretches[split]))
            counts.subtract((other, placed[moved]) for other in labels[moved])
            counts.update((other, split) for other in labels[moved])
            placed[moved] = split


def _distance(place: float, stretch: tuple[float, float]) -> float:
    start, end = stretch
    return max(start - place, place - end)


def _require_enough(examples: list[Example], pool: list[Example], splits: list[str]) -> None:
    """Refuse classes that cannot have a distinct image in each of the splits to be made."""
    short = [f"{label!r} has {found}" for label, found in _too_small(examples, pool, splits).items()]
    if short:
        more = f" and {len(short) - 10} more classes" if len(short) > 10 else ""
        grouped = any(example.group for example in pool)
        counted = ", those of a group and those that look the same counting as one" if grouped else ""
        advice = " Look-alikes are divided with --set data.near_duplicates=ignore" if grouped else ""
        raise DataError(
            f"Every class needs at least {len(splits)} different readable images{counted}, "
            f"for {', '.join(reversed(splits))}; {', '.join(short[:10])}{more}.\n"
            f"Add images or remove the class.{advice}"
        )


def _too_small(examples: list[Example], pool: list[Example], splits: list[str]) -> dict[str, int]:
    """Return the classes with fewer distinct images than splits, and how many these have."""
    of_use = [example for example in examples if not example.is_excluded]
    units: dict[str, set[str]] = {label: set() for example in of_use for label in example.labels}
    for example in pool:
        for label in example.labels:
            units[label].add(example.split_unit)
    return {label: len(found) for label, found in sorted(units.items()) if len(found) < len(splits)}
