"""`runs`: what there is, newest first."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tl_keras.evaluation.record import EvaluationRecord
from tl_keras.runs.folder import DEFAULT_RUNS_DIR, RunFolder, list_runs


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A line about a run.

    Attributes:
        name: Its folder's name.
        made: When its model was last written, local time, ISO 8601 to the second.
        data: Where its images are.
        backbone: Name of the backbone.
        phase: The phase its model came from.
        split: The split its accuracy was measured on; empty when it was not measured.
        accuracy: In 0..1, or None.
        images: How many images that accuracy rests on.
        problem: Why the run cannot be read, or empty.
    """

    name: str
    made: str
    data: str = ""
    backbone: str = ""
    phase: str = ""
    split: str = ""
    accuracy: float | None = None
    images: int = 0
    problem: str = ""


def runs(runs_dir: str | Path = DEFAULT_RUNS_DIR) -> list[RunSummary]:
    """Return a summary of every finished run in a folder, newest first."""
    return [_summary(run) for run in list_runs(Path(runs_dir))]


def _summary(run: RunFolder) -> RunSummary:
    made = datetime.fromtimestamp(run.model_file.stat().st_mtime).isoformat(sep=" ", timespec="seconds")
    try:
        report = EvaluationRecord.from_dict(json.loads(run.metrics_file.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        problem = f"metrics.json is missing or damaged: tlk evaluate {run.path}"
        return RunSummary(run.name, made, problem=problem)
    return RunSummary(
        name=run.name,
        made=made,
        data=report.data,
        backbone=report.backbone,
        phase=report.phase,
        split=report.split,
        accuracy=report.evaluation.accuracy,
        images=report.evaluation.images,
    )
