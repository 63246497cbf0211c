"""`runs`: what there is, newest first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from shlex import quote
from typing import Any

from tl_keras.errors import ConfigError, RunError
from tl_keras.runs.folder import DEFAULT_RUNS_DIR, RunFolder, list_runs
from tl_keras.runs.unfinished import list_unfinished, requested, unfinished_phase

UNFINISHED_PHASE = "unfinished"


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A line about a run.

    Attributes:
        name: Its folder's name.
        made: When its model, or the last checkpoint of an unfinished run, was written; local time, ISO 8601
            to the second.
        data: Where its images are.
        backbone: Name of the backbone.
        phase: The phase its model came from; `unfinished` for a run that was interrupted in its first phase.
        split: The split its accuracy was measured on; empty when it was not measured.
        accuracy: In 0..1, or None.
        images: How many images that accuracy rests on.
        problem: Why the run cannot be read or resumed, or empty.
        resume: The command that resumes what was interrupted, the run or its fine-tuning; or empty.
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
    resume: str = ""

    @property
    def finished(self) -> bool:
        """Whether there is a model."""
        return self.phase != UNFINISHED_PHASE

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def runs(runs_dir: str | Path = DEFAULT_RUNS_DIR) -> list[RunSummary]:
    """Return a summary of every run in a folder, the unfinished ones included, newest first."""
    folder = Path(runs_dir)
    found = [*_finished(folder), *_unfinished(folder)]
    return sorted(found, key=lambda run: run.made, reverse=True)


def _finished(runs_dir: Path) -> Iterator[RunSummary]:
    for run in list_runs(runs_dir):
        if made := run.modified():
            summary = _summary(run, _time(made))
            yield replace(summary, resume=_command(run.path)) if _is_being_finetuned(run) else summary


def _is_being_finetuned(run: RunFolder) -> bool:
    try:
        return unfinished_phase(run) is not None
    except OSError:  # it was finished meanwhile
        return False


def _summary(run: RunFolder, made: str) -> RunSummary:
    try:
        report = run.evaluation()
    except RunError as error:
        return RunSummary(run.name, made, problem=str(error))
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


def _unfinished(runs_dir: Path) -> Iterator[RunSummary]:
    for run in list_unfinished(runs_dir):
        made = _time(max(map(_modified, run.checkpoints), default=0))
        summary = RunSummary(run.name, made, *_asked(run), phase=UNFINISHED_PHASE)
        destination = runs_dir / run.name
        if destination.exists():
            problem = (
                "was to replace the finished run: the command that started it resumes it, with --overwrite"
            )
            yield replace(summary, problem=problem)
        else:
            yield replace(summary, resume=_command(destination))


def _asked(run: RunFolder) -> tuple[str, str]:
    """Return the data and the backbone of an unfinished run, as far as its settings can be read."""
    try:
        config = requested(run.path)
    except ConfigError:
        return "", ""
    return config.data.source or "", config.model.backbone


def _modified(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:  # removed meanwhile
        return 0


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).isoformat(sep=" ", timespec="seconds")


def _command(run: Path) -> str:
    return f"tlk resume {quote(str(run))}"
