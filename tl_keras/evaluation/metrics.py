"""How good a classifier is: numbers with the count they rest on and a confidence interval."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from tl_keras.core.types import THRESHOLD, Floats, Task
from tl_keras.evaluation.evaluation import ClassScore, Evaluation

TOP_K = 5


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
    return ClassScore(kind, float(p), float(r), float(f), len(targets))


def _confusion(probabilities: Floats, targets: Floats) -> list[list[int]]:
    every = range(probabilities.shape[1])
    matrix = confusion_matrix(targets.argmax(axis=1), probabilities.argmax(axis=1), labels=every)
    counts: list[list[int]] = matrix.tolist()
    return counts
