"""A run: the folder in which everything about one trained classifier lies.

saved_models/NAME/
    config.yaml       every setting; `tlk fit --config` on it repeats the run
    labels.txt        class names in the order of the model's outputs
    manifest.csv      every image: path, label, split, content hash, why it was left out
    exclude.csv       what data.exclude left out and relabeled, if it was given
    phases/1-head/    history.csv, summary.json, config.yaml and model.keras of each training phase;
                      head_search.csv; metrics.json, predictions.csv and decision.json of a fine-tuning
    model.keras       the best model so far
    metrics.json      how good it is, on which images
    predictions.csv   what it said to each of them
    exports/          what was shipped
    evaluations/      what `tlk evaluate` measured besides; lr_find/: what `tlk lr-find` drew

A run of `tlk pretrain` also has backbone.weights.h5, the network without its head, and source.json about it;
one with a baseline has phases/1-head/baseline/. See `resumable` for what was interrupted.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tl_keras.config.loading import load_config
from tl_keras.config.schema import Config
from tl_keras.core.wording import did_you_mean
from tl_keras.errors import RunError

if TYPE_CHECKING:
    from tl_keras.evaluation.record import EvaluationRecord

DEFAULT_RUNS_DIR = Path("saved_models")
FIRST_PHASES = {"frozen": "1-head", "full": "1-full", "scratch": "1-scratch", "pretrain": "1-pretrain"}
"""What the first phase is called, by what it trains."""
SUMMARY_FILE, DECISION_FILE, GAIN_FILE = "summary.json", "decision.json", Path("baseline", "gain.json")
"""In a phase's folder: how it went; whether fine-tuning helped; what training from scratch reached."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Where a run's files are."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def config_file(self) -> Path:
        return self.path / "config.yaml"

    @property
    def labels_file(self) -> Path:
        return self.path / "labels.txt"

    @property
    def manifest_file(self) -> Path:
        return self.path / "manifest.csv"

    @property
    def model_file(self) -> Path:
        return self.path / "model.keras"

    @property
    def exclude_file(self) -> Path:
        return self.path / "exclude.csv"

    @property
    def metrics_file(self) -> Path:
        return self.path / "metrics.json"

    @property
    def predictions_file(self) -> Path:
        return self.path / "predictions.csv"

    @property
    def phases_dir(self) -> Path:
        return self.path / "phases"

    @property
    def exports_dir(self) -> Path:
        return self.path / "exports"

    @property
    def checkpoints(self) -> list[Path]:
        """What an interrupted run can be resumed from."""
        try:
            return sorted(self.phases_dir.glob("*/checkpoints/[0-9]*.npz"))
        except OSError:  # the folder went while it was read: the run was finished
            return []

    def config(self) -> Config:
        """Return the settings this run was made with."""
        return load_config(self.config_file)

    def evaluation(self) -> EvaluationRecord:
        """Return how good the model is on the reported split.

        Raises:
            RunError: metrics.json is missing or damaged.
        """
        from tl_keras.evaluation.record import EvaluationRecord  # SciPy takes a second to load

        try:
            return EvaluationRecord.from_dict(json.loads(self.metrics_file.read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError, TypeError):
            raise RunError(f"metrics.json is missing or damaged: tlk evaluate {self.path}") from None

    def next_phase(self, kind: str) -> str:
        """Return the name of the phase that comes next, e.g. `2-finetune`."""
        found = (re.match(r"(\d+)-", phase.name) for phase in self.phases_dir.glob("*"))
        return f"{max((int(number[1]) for number in found if number), default=0) + 1}-{kind}"

    def modified(self) -> float:
        """Return when the model was last written, seconds since 1970; 0 where there is no finished run."""
        try:
            return 0 if self.missing_files() else self.model_file.stat().st_mtime
        except OSError:
            return 0

    def missing_files(self) -> list[str]:
        """Return the names of the files that a finished run has and this folder lacks."""
        needed = (self.config_file, self.labels_file, self.manifest_file, self.model_file)
        return [file.name for file in needed if not file.is_file()]


def find_run(folder: Path) -> RunFolder:
    """Return the finished run in `folder`.

    Raises:
        RunError: There is no such folder, it is not a run, or the run is unfinished.
    """
    run = RunFolder(folder)
    if not folder.is_dir():
        raise RunError(_not_found(folder))
    if run.missing_files():
        raise RunError(
            f"{folder} is not a finished run: {', '.join(run.missing_files())} missing.\n"
            "Expected a folder made by `tlk fit`; see them with: tlk runs"
        )
    return run


def run_config(run: str | Path) -> Config:
    """Return the settings that a finished run was made with, e.g. as the base of those of a fine-tuning.

    Raises:
        RunError: There is no finished run in that folder.
        ConfigError: Its settings are damaged.
    """
    return find_run(Path(run)).config()


def list_runs(runs_dir: Path) -> list[RunFolder]:
    """Return the finished runs in a folder, newest first; what vanishes meanwhile is left out."""
    runs = [RunFolder(folder) for folder in _subfolders(runs_dir)]
    made = {run: run.modified() for run in runs}
    return sorted((run for run in runs if made[run]), key=lambda run: made[run], reverse=True)


def _subfolders(runs_dir: Path) -> list[Path]:
    try:
        return [path for path in runs_dir.iterdir() if not path.name.startswith(".")]
    except OSError:
        return []


def _not_found(folder: Path) -> str:
    siblings = [run.name for run in list_runs(folder.parent)]
    hint = did_you_mean(folder.name, siblings)
    return f"There is no run at {folder}.{hint} See what there is with: tlk runs"


def damaged_run(run: RunFolder, reason: str) -> RunError:
    """Return the error for a run of which a file is damaged."""
    verb = "pretrain" if (run.phases_dir / FIRST_PHASES["pretrain"]).is_dir() else "fit"
    return RunError(
        f"The run {run.path} is damaged: {reason}\nTrain it again with: tlk {verb} --config {run.config_file}"
    )
