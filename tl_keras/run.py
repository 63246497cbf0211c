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

import itertools
import os
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from tl_keras.config import Config, load_config
from tl_keras.errors import RunError, did_you_mean
from tl_keras.files import remove, sweep, write_text

DEFAULT_RUNS_DIR = Path("saved_models")


class NameTaken(RunError):
    """A run of that name exists or is being written."""


@dataclass(frozen=True, slots=True)
class Run:
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
        """What a stopped run can go on from."""
        return sorted(self.phases_dir.glob("*/checkpoints/[0-9]*.npz"))

    def config(self) -> Config:
        """Return the settings this run was made with."""
        return load_config(self.config_file)

    def next_phase(self, kind: str) -> str:
        """Return the name of the phase that comes next, e.g. `2-finetune`."""
        found = (re.match(r"(\d+)-", phase.name) for phase in self.phases_dir.glob("*"))
        return f"{max((int(number[1]) for number in found if number), default=0) + 1}-{kind}"

    def missing_files(self) -> list[str]:
        """Return the names of the files that a finished run has and this folder lacks."""
        needed = (self.config_file, self.labels_file, self.manifest_file, self.model_file)
        return [file.name for file in needed if not file.is_file()]


def open_run(folder: Path) -> Run:
    """Return the finished run in `folder`.

    Raises:
        RunError: There is no such folder, it is not a run, or the run is unfinished.
    """
    run = Run(folder)
    if not folder.is_dir():
        raise RunError(_not_found(folder))
    if run.missing_files():
        raise RunError(
            f"{folder} is not a finished run: {', '.join(run.missing_files())} missing.\n"
            "Expected a folder made by `tlk fit`; see them with: tlk runs"
        )
    return run


def list_runs(runs_dir: Path) -> list[Run]:
    """Return the finished runs in a folder, newest first."""
    if not runs_dir.is_dir():
        return []
    runs = [Run(p) for p in runs_dir.iterdir() if p.name[0] != "." and (p / "model.keras").is_file()]
    return sorted(runs, key=lambda run: run.model_file.stat().st_mtime, reverse=True)


def claim(stack: ExitStack, runs_dir: Path, name: str, *, exact: bool, overwrite: bool) -> Path:
    """Lock and return the folder of a new run: `name`, else `name-2`, `name-3`, ... when not exact.

    What killed processes left beside it is cleared up.

    Args:
        stack: What holds the lock.
        runs_dir: The folder of all runs.
        name: The wished name.
        exact: Whether the name was the user's; otherwise a number is added when it is taken.
        overwrite: Whether a run of that name may be replaced.

    Raises:
        RunError: The name cannot be a folder's, or nothing can be written there.
        NameTaken: It is taken, and `exact`.
    """
    if Path(name).name != name or name.startswith("."):
        raise RunError(f"{name!r} cannot be a run's name: expected a plain folder name, such as flowers-1.")
    for number in itertools.count(1):
        folder = runs_dir / (name if number == 1 else f"{name}-{number}")
        try:
            with ExitStack() as attempt:
                attempt.enter_context(locked(folder))
                sweep(folder)
                _check_free(folder, overwrite=overwrite)
                stack.enter_context(attempt.pop_all())
                break
        except NameTaken:
            if exact:
                raise
    return folder


def _check_free(folder: Path, *, overwrite: bool) -> None:
    if folder.exists() and not overwrite:
        raise NameTaken(f"{folder} exists already. Choose another --name, or replace it with --overwrite.")
    missing = Run(folder).missing_files()
    if folder.exists() and missing:
        raise NameTaken(
            f"{folder} is not a finished run ({', '.join(missing)} missing): --overwrite leaves it alone."
        )


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a run's folder for writing, so that two processes do not change it at once.

    The lock is the operating system's, so it ends with the process, however that ends.

    Raises:
        NameTaken: Another process holds it.
        RunError: Nothing can be written beside it.
    """
    folder = folder.absolute()
    locks = folder.parent / ".locks"
    lock, holder = FileLock(locks / folder.name), locks / f"{folder.name}.holder"
    try:
        locks.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise NameTaken(f"{folder} is being written by {_told(holder)}; wait for it to end.") from None
    except OSError as error:
        raise RunError(f"Cannot write into {folder.parent}: {error.strerror or error}.") from None
    try:
        write_text(holder, f"process {os.getpid()} on {socket.gethostname()}, since {_now()}")
        yield
    finally:
        remove(holder)
        lock.release()


def _told(holder: Path) -> str:
    """Return who says to hold a lock; a lock without that has only just been taken."""
    try:
        return holder.read_text(encoding="utf-8")
    except OSError:
        return "another process"


def _now() -> str:
    return datetime.now().isoformat(sep=" ", timespec="seconds")


def _not_found(folder: Path) -> str:
    siblings = [run.name for run in list_runs(folder.parent)]
    hint = did_you_mean(folder.name, siblings)
    return f"There is no run at {folder}.{hint} See what there is with: tlk runs"
