"""What the folds of a cross-validation say together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tl_keras.evaluation.evaluation import Evaluation
from tl_keras.evaluation.metrics import wilson_interval


@dataclass(frozen=True, slots=True)
class ClassRecall:
    """The share of a class's images that were recognized in the folds that they were held out of."""

    name: str
    recall: float
    images: int


@dataclass(frozen=True, slots=True)
class FoldsSummary:
    """Figures over all folds.

    Pooled figures count every image in the fold that it was held out of. Where a class is so small that an
    image of it had to serve in two folds, it counts twice.

    Attributes:
        folds: How many there are.
        accuracy: Mean over the folds.
        deviation: Standard deviation of the folds' accuracies: how much one of them may be off.
        macro_f1: Mean over the folds.
        images: Images of all folds together.
        pooled: Share of these that are right.
        interval: 95 % Wilson interval of that.
        recall: Per class, pooled.
    """

    folds: int
    accuracy: float
    deviation: float
    macro_f1: float
    images: int
    pooled: float
    interval: tuple[float, float]
    recall: tuple[ClassRecall, ...]

    def headline(self) -> str:
        """Return the accuracy in one line: over the folds, and over their images together."""
        low, high = self.interval
        return (
            f"accuracy {self.accuracy:.3f} +- {self.deviation:.3f} over {self.folds} folds; "
            f"pooled {self.pooled:.3f}, 95% interval {low:.3f} to {high:.3f}, {self.images:,} images"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def summarize(folds: Sequence[Evaluation]) -> FoldsSummary:
    """Put the evaluations of at least two folds, with the same classes each, together."""
    accuracies = [fold.accuracy for fold in folds]
    images = sum(fold.images for fold in folds)
    right = sum(round(fold.accuracy * fold.images) for fold in folds)
    return FoldsSummary(
        folds=len(folds),
        accuracy=float(np.mean(accuracies)),
        deviation=float(np.std(accuracies, ddof=1)),
        macro_f1=float(np.mean([fold.macro.f1 for fold in folds])),
        images=images,
        pooled=right / images,
        interval=wilson_interval(right, images),
        recall=_pooled_recall(folds),
    )


def _pooled_recall(folds: Sequence[Evaluation]) -> tuple[ClassRecall, ...]:
    found = []
    for scores in zip(*(fold.classes for fold in folds), strict=True):
        images = sum(score.images for score in scores)
        recognized = sum(round(score.recall * score.images) for score in scores)
        found.append(ClassRecall(scores[0].name, recognized / images if images else 0.0, images))
    return tuple(found)
