"""Which of the readable images are used."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from tl_keras.data.example import Example
from tl_keras.data.splits import makes_splits, may_be_split, split_position
from tl_keras.errors import SkipReason


def without_copies(examples: Sequence[Example]) -> list[Example]:
    """Leave out all but the first of identical images, and all of those that have different labels.

    Only where there are splits to be made: what the user has divided stays as it is.
    """
    if not makes_splits(examples):
        return list(examples)
    same: dict[str, list[Example]] = defaultdict(list)
    for example in examples:
        if may_be_split(example):
            same[example.sha256].append(example)
    return [_without_copy(e, same[e.sha256]) if may_be_split(e) else e for e in examples]


def limited(examples: Sequence[Example], limit: int | None, seed: int) -> list[Example]:
    """Leave out training images beyond `limit` of a class; a smaller limit takes some of what a larger takes.

    An image with several labels is used if any of its classes has not enough yet.
    """
    if limit is None:
        return list(examples)
    train = [example for example in examples if example.split == "train" and example.is_used]
    train.sort(key=lambda example: (split_position(f"limit {example.sha256}", seed), example.path))
    used: Counter[str] = Counter()
    over = set()
    for example in train:
        labels = example.labels or ("",)  # an image of no class, where there may be several
        if all(used[label] >= limit for label in labels):
            over.add(example.path)
        else:
            used.update(labels)
    return [e.skip(SkipReason.OVER_LIMIT) if e.split == "train" and e.path in over else e for e in examples]


def _without_copy(example: Example, same: Sequence[Example]) -> Example:
    labels = sorted({other.label for other in same} - {example.label})
    if labels:
        return example.skip(SkipReason.CONFLICTING_LABELS, ", ".join(labels))
    first = same[0]
    return example if example is first else example.skip(SkipReason.EXACT_COPY, first.path)
