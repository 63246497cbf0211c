"""What `tlk predict` prints: a table, JSON or CSV, as the answers come."""

from __future__ import annotations

import csv
import itertools
import sys
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from typing import TYPE_CHECKING

from tl_keras.cli.output.common import print_json
from tl_keras.core.console import fail, progress, table
from tl_keras.core.wording import counted

if TYPE_CHECKING:
    from tl_keras import Prediction

TABLE_ROWS = 500


def print_predictions(predictions: Iterable[Prediction], form: str) -> int:
    """Print the answers as `table`, `json` or `csv`; return how many images had none."""
    printers = {"table": _predictions_table, "json": _predictions_json, "csv": _predictions_csv}
    unread = 0

    def watched(advance: Callable[[int], None]) -> Iterable[Prediction]:
        nonlocal unread
        for prediction in predictions:
            unread += bool(prediction.error)
            advance(1)
            yield prediction

    on_one_terminal = form != "table" and sys.stdout.isatty()  # a bar would be torn apart by the answers
    with nullcontext(_silent) if on_one_terminal else progress("predicting", None) as advance:
        printers[form](watched(advance))
    if unread:
        fail(f"{counted(unread, 'image')} could not be read; each has its reason in its row.")
    return unread


def _silent(_done: int) -> None:
    """Stand in for a progress bar."""


def _predictions_table(predictions: Iterable[Prediction]) -> None:
    rows = (
        (p.path, f"error: {p.error}" if p.error else "  ".join(map(_labeled, p.labels, p.scores)))
        for p in predictions
    )
    while page := list(itertools.islice(rows, TABLE_ROWS)):
        table(("image", "classes"), page)


def _labeled(label: str, score: float) -> str:
    return f"{label} {score:.3f}"


def _predictions_json(predictions: Iterable[Prediction]) -> None:
    for p in predictions:
        print_json(p.to_dict(), indent=None)


def _predictions_csv(predictions: Iterable[Prediction]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(("path", "rank", "label", "score", "error"))
    for p in predictions:
        if p.error:
            writer.writerow((p.path, "", "", "", p.error))
        for rank, (label, value) in enumerate(zip(p.labels, p.scores, strict=True), 1):
            writer.writerow((p.path, rank, label, f"{value:.6f}", ""))
