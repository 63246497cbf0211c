"""How good a classifier is: numbers with the count they rest on and a confidence interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from tl_keras.model_info import Task

Floats = npt.NDArray[np.float32]
TOP_K = 5
THRESHOLD = 0.5


@dataclass(frozen=True, slots=True)
class ClassScore:
    """Precision, recall and F1 of one class (or an average), in 0..1, and the images it rests on."""

    name: str
    precision: float
    recall: float
    f1: float
    images: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The measured quality of a classifier on one set of images.

    Attributes:
        images: How many were evaluated.
        loss: Mean cross-entropy, nats (multi-label: mean binary cross-entropy over classes).
        accuracy: Share of images that are right (multi-label: whose classes are all right).
        interval: 95 % confidence interval of the accuracy (Wilson 1927).
        top5: Share whose class is among the five most probable; None with five classes or fewer.
        classes: Scores per class.
        macro: Plain mean over classes.
        weighted: Mean over classes, weighted by their images.
        confusion: Rows are true, columns predicted classes; None for multi-label.
    """

    images: int
    loss: float
    accuracy: float
    interval: tuple[float, float]
    top5: float | None
    classes: tuple[ClassScore, ...]
    macro: ClassScore
    weighted: ClassScore
    confusion: list[list[int]] | None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Evaluation:
        """Read what `to_dict` wrote."""
        scores = {name: ClassScore(**fields[name]) for name in ("macro", "weighted")}
        classes = tuple(ClassScore(**score) for score in fields["classes"])
        low, high = fields["interval"]
        return cls(**{**fields, **scores, "classes": classes, "interval": (low, high)})


def score(probabilities: Floats, targets: Floats, labels: Sequence[str], task: Task) -> Evaluation:
    """Compare probabilities with targets, both float32 [n, classes] with n >= 1."""
    chosen = decisions(probabilities, task)
    right = (chosen == targets.astype(bool)).all(axis=1)
    return Evaluation(
        images=len(targets),
        loss=_cross_entropy(probabilities, targets, task),
        accuracy=float(right.mean()),
        interval=wilson_interval(int(right.sum()), len(right)),
        top5=_top_k(probabilities, targets) if task == "multiclass" and len(labels) > TOP_K else None,
        classes=_per_class(chosen, targets, labels),
        macro=_average(chosen, targets, "macro"),
        weighted=_average(chosen, targets, "weighted"),
        confusion=_confusion(probabilities, targets) if task == "multiclass" else None,
    )


def decisions(probabilities: Floats, task: Task) -> npt.NDArray[np.bool_]:
    """Return bool [n, classes]: the most probable class, or for multi-label all at 0.5 or more."""
    if task == "multilabel":
        return probabilities >= THRESHOLD
    return np.eye(probabilities.shape[1], dtype=bool)[probabilities.argmax(axis=1)]


def wilson_interval(right: int, of: int) -> tuple[float, float]:
    """Return the 95 % Wilson score interval of a share."""
    interval = binomtest(right, of).proportion_ci(0.95, method="wilson")
    return (float(interval.low), float(interval.high))


def _cross_entropy(probabilities: Floats, targets: Floats, task: Task) -> float:
    p = np.clip(probabilities.astype(np.float64), 1e-7, 1 - 1e-7)
    if task == "multilabel":
        return float(-(targets * np.log(p) + (1 - targets) * np.log(1 - p)).mean())
    return float(-(targets * np.log(p)).sum(axis=1).mean())


def _top_k(probabilities: Floats, targets: Floats) -> float:
    best = np.argpartition(-probabilities, TOP_K, axis=1)[:, :TOP_K]
    return float((best == targets.argmax(axis=1)[:, None]).any(axis=1).mean())


def _per_class(
    chosen: npt.NDArray[np.bool_], targets: Floats, labels: Sequence[str]
) -> tuple[ClassScore, ...]:
    columns = precision_recall_fscore_support(targets, chosen, average=None, zero_division=0)
    return tuple(
        ClassScore(label, float(p), float(r), float(f), int(n))
        for label, p, r, f, n in zip(labels, *columns, strict=True)
    )


def _average(chosen: npt.NDArray[np.bool_], targets: Floats, kind: str) -> ClassScore:
    p, r, f, _ = precision_recall_fscore_support(targets, chosen, average=kind, zero_division=0)
    return ClassScore(kind, float(p), float(r), float(f), int(targets.sum()))


def _confusion(probabilities: Floats, targets: Floats) -> list[list[int]]:
    every = range(probabilities.shape[1])
    matrix = confusion_matrix(targets.argmax(axis=1), probabilities.argmax(axis=1), labels=every)
    counts: list[list[int]] = matrix.tolist()
    return counts
