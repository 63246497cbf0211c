"""A run: the folder in which everything about one trained classifier lies.

saved_models/NAME/
    config.yaml       every setting; `tlk fit --config` on it repeats the run
    labels.txt        class names in the order of the model's outputs
    manifest.csv      every image: path, label, split, content hash, why it was left out
    exclude.csv       what data.exclude left out and relabelled, if it was given
    phases/1-head/    history.csv, summary.json and model.keras of each training phase; head_search.csv
    model.keras       the best model so far
    metrics.json      how good it is, on which images
    predictions.csv   what it said to each of them
    exports/          what was shipped

A run of `tlk pretrain` also has backbone.weights.h5, the network without its head, and source.json about it;
one with a baseline has phases/1-head/baseline/. See `unfinished` for what was stopped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tl_keras.config.loading import load_config
from tl_keras.config.schema import Config
from tl_keras.core.wording import did_you_mean
from tl_keras.errors import RunError

DEFAULT_RUNS_DIR = Path("saved_models")

PHASES = {"frozen": "1-head", "full": "1-full", "scratch": "1-scratch"}
"""What the first phase is called, by `transfer`."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Where a run's files are."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def config_file(self) -> Path:
        return self.folder / "config.yaml"

    @property
    def labels_file(self) -> Path:
        return self.folder / "labels.txt"

    @property
    def manifest_file(self) -> Path:
        return self.folder / "manifest.csv"

    @property
    def model_file(self) -> Path:
        return self.folder / "model.keras"

    @property
    def exclude_file(self) -> Path:
        return self.folder / "exclude.csv"

    @property
    def metrics_file(self) -> Path:
        return self.folder / "metrics.json"

    @property
    def predictions_file(self) -> Path:
        return self.folder / "predictions.csv"

    @property
    def phases_dir(self) -> Path:
        return self.folder / "phases"

    @property
    def exports_dir(self) -> Path:
        return self.folder / "exports"

    @property
    def checkpoints(self) -> list[Path]:
        """What a stopped run can be resumed from."""
        try:
            return sorted(self.phases_dir.glob("*/checkpoints/[0-9]*.npz"))
        except OSError:  # the folder went while it was read: the run was finished
            return []

    def config(self) -> Config:
        """Return the settings this run was made with."""
        return load_config(self.config_file)

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
    return RunError(
        f"The run {run.folder} is damaged: {reason}\nTrain it anew with: tlk fit --config {run.config_file}"
    )
