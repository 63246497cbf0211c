"""`evaluate`: how good a run's model is, on its own images or on others."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tl_keras.evaluation.record import EvaluationRecord
from tl_keras.runs.external_images import model_outputs, read_external_images
from tl_keras.runs.folder import find_run
from tl_keras.runs.lock import locked
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
        data: Other labelled images; None for the run's own.
        split: Which split; None for the run's reported one, or for all images of `data`.

    Raises:
        TlkError: The run is unfinished, images are missing, or `data` has classes the model does not know.
    """
    with locked(find_run(Path(run)).folder):
        stored, classifier = open_run(run)
        name = split or ("all" if data else stored.prepared.reported_split)
        wanted = read_external_images(stored, str(data), split) if data else stored.images(name)
        model, loader = model_outputs(stored, classifier, wanted, others=data)
        with loader:
            report, outputs = stored.report(model, loader, name, data=str(data) if data else None)
            folder = _folder(stored, name, data)
            stored.write_report(folder, report, loader, outputs)
    return EvaluateResult(report, folder)


def _folder(stored: Run, split: str, data: str | Path | None) -> Path:
    """Return the run's own folder for its reported images, else one below `evaluations/`."""
    if data is None and split == stored.prepared.reported_split:
        return stored.run.folder
    what = split if data is None else f"{Path(data).name}-{split}"
    return stored.run.folder / "evaluations" / what
