"""What `tlk evaluate` and `tlk fit --cross-validate` print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tl_keras.cli.output.common import print_json
from tl_keras.core.console import result, table

if TYPE_CHECKING:
    from tl_keras import ClassScore, CrossValidation, EvaluateResult, Evaluation, EvaluationRecord

MOST_CONFUSION_COLUMNS = 12


def print_cross_validation(done: CrossValidation, *, as_json: bool) -> None:
    if as_json:
        return print_json(done.to_dict())
    columns = ("fold", "accuracy", "95% interval", "macro F1", "images", "run")
    table(columns, [_fold_row(*fold) for fold in enumerate(zip(done.runs, done.reports, strict=True), 1)])
    rows = [(found.name, f"{found.recall:.3f}", str(found.images)) for found in done.summary.recall]
    table(("class", "pooled recall", "images"), rows)
    result(done.summary.headline())
    return None


def _fold_row(fold: int, made: tuple[Path, EvaluationRecord]) -> tuple[str, ...]:
    run, found = made[0], made[1].evaluation
    low, high = found.interval
    figures = (f"{found.accuracy:.3f}", f"{low:.3f} to {high:.3f}", f"{found.macro.f1:.3f}")
    return (str(fold), *figures, str(found.images), str(run))


def print_evaluation(done: EvaluateResult, *, as_json: bool) -> None:
    if as_json:
        return print_json(done.to_dict())
    found = done.report.evaluation
    result(done.report.headline())
    top5 = f", top-5 accuracy {found.top5:.3f}" if found.top5 is not None else ""
    result(f"loss {found.loss:.4f}{top5}")
    scores = (*found.classes, found.macro, found.weighted)
    table(("class", "precision", "recall", "F1", "images"), [_score_row(score) for score in scores])
    _print_confusion(found)
    result(f"written: {done.folder / 'metrics.json'}, {done.folder / 'predictions.csv'}")
    return None


def _score_row(score: ClassScore) -> tuple[str, ...]:
    return (score.name, f"{score.precision:.3f}", f"{score.recall:.3f}", f"{score.f1:.3f}", str(score.images))


def _print_confusion(found: Evaluation) -> None:
    if found.confusion is None:
        return
    names = [score.name for score in found.classes]
    if len(names) > MOST_CONFUSION_COLUMNS:
        _print_worst_confusions(names, found.confusion)
        return
    rows = [(name, *map(str, counts)) for name, counts in zip(names, found.confusion, strict=True)]
    table(("true \\ predicted", *names), rows, title="confusion matrix")


def _print_worst_confusions(names: list[str], counts: list[list[int]]) -> None:
    pairs = [
        (count, names[row], names[column])
        for row, line in enumerate(counts)
        for column, count in enumerate(line)
        if row != column and count
    ]
    pairs.sort(key=lambda pair: -pair[0])
    rows = [(true, predicted, str(count)) for count, true, predicted in pairs[:MOST_CONFUSION_COLUMNS]]
    table(("true", "predicted", "images"), rows, title="most frequent confusions (all are in metrics.json)")
