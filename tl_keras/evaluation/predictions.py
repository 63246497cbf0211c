"""predictions.csv: what a classifier said to each image."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from tl_keras.core.types import Floats, Task
from tl_keras.data.example import LABEL_SEPARATOR, Example
from tl_keras.evaluation.metrics import decisions

COLUMNS = ("path", "split", "label", "predicted", "correct", "confidence", "probability_of_label")


def predictions_csv(
    examples: Sequence[Example], probabilities: Floats, labels: Sequence[str], task: Task
) -> str:
    """Return the file's text: a row per image, the surest mistakes first, then what is right.

    `confidence` is the largest probability; for multi-label `probability_of_label` is empty.
    """
    rows = [
        _row(example, p, chosen, labels, task)
        for example, p, chosen in zip(examples, probabilities, decisions(probabilities, task), strict=True)
    ]
    rows.sort(key=lambda row: (row["correct"], -float(row["confidence"])))
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _row(
    example: Example, probabilities: Floats, chosen: Sequence[bool], labels: Sequence[str], task: Task
) -> dict[str, str]:
    predicted = [label for label, yes in zip(labels, chosen, strict=True) if yes]
    multiclass = task == "multiclass"
    return {
        "path": example.path,
        "split": example.split,
        "label": example.label,
        "predicted": LABEL_SEPARATOR.join(predicted),
        "correct": str(int(set(predicted) == set(example.labels))),
        "confidence": f"{probabilities.max():.6f}",
        "probability_of_label": f"{probabilities[labels.index(example.label)]:.6f}" if multiclass else "",
    }
