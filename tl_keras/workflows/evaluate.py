"""`evaluate`: how good a run's model is, on its own images or on others."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tl_keras.data.listing import absolute
from tl_keras.evaluation.record import EvaluationRecord
from tl_keras.runs.external_images import evaluated_part, read_external_images
from tl_keras.runs.folder import find_run
from tl_keras.runs.lock import locked
from tl_keras.runs.measure import measure_model, write_evaluation
from tl_keras.runs.run import Run, open_run


@dataclass(frozen=True, slots=True)
class EvaluateResult:
    """What `evaluate` measured, and the folder where metrics.json and predictions.csv were put."""

    report: EvaluationRecord
    folder: Path

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"folder": str(self.folder), **self.report.to_dict()}


def evaluate(run: str | Path, *, data: str | Path | None = None, split: str | None = None) -> EvaluateResult:
    """Measure a run's model: loss, accuracy with its interval, per class, confusion matrix.

    Features that are stored are not computed again.

    Args:
        run: A finished run's folder.
        data: Other labeled images; None for the run's own.
        split: Which split; None for the run's reported one, or for all images of `data`.

    Raises:
        TlkError: The run is unfinished, images are missing, or `data` has classes the model does not know.
    """
    with locked(find_run(Path(run)).path):
        opened, classifier = open_run(run)
        name = split or ("all" if data else opened.dataset.reported_split)
        wanted = read_external_images(opened, str(data), split) if data else opened.examples(name)
        model, loader = evaluated_part(opened, classifier, wanted, others=data)
        with loader:
            source = str(data) if data else None
            report, outputs = measure_model(opened, model, loader, name, data=source)
            folder = _folder(opened, name, source)
            write_evaluation(opened, folder, report, loader, outputs)
    return EvaluateResult(report, folder)


def _folder(run: Run, split: str, data: str | None) -> Path:
    """Return the run's own folder for its reported images, else one below `evaluations/`, per source."""
    if data is None and split == run.dataset.reported_split:
        return run.folder.path
    evaluations = run.folder.path / "evaluations"
    if data is None:
        return evaluations / split
    digest = hashlib.sha256(str(absolute(data)).encode()).hexdigest()[:8]
    return evaluations / f"{Path(data).name}-{split}-{digest}"
