"""Where the processes of a training over several workers write: only the chief's run stays."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from tl_keras.distributed.collectives import is_chief, synchronized
from tl_keras.runs.folder import find_run
from tl_keras.runs.lock import locked


@contextmanager
def own_runs_dir(runs_dir: Path) -> Iterator[Path]:
    """Yield the folder that this process puts its run into: `runs_dir`, or one that goes with the process.

    Call it when the devices are planned: only then is it known which worker this is.

    Raises:
        RunError: Another worker was lost.
    """
    with synchronized():
        yield runs_dir if is_chief() else _temporary_runs_dir()


@contextmanager
def own_run(folder: Path) -> Iterator[Path]:
    """Yield the folder of a finished run to be changed: itself, locked, or a copy that goes with the process.

    Raises:
        RunError: It is not a finished run; or another worker was lost.
        NameTaken: Another process changes it.
    """
    run = find_run(folder)
    with own_runs_dir(folder.parent) as runs_dir:
        if is_chief():
            with locked(run.folder):
                yield run.folder
        else:
            copy = Path(tempfile.mkdtemp(dir=runs_dir)) / run.name
            yield shutil.copytree(folder, copy, ignore=shutil.ignore_patterns(".*", "exports"))


@cache
def _temporary_runs_dir() -> Path:
    folder = tempfile.mkdtemp(prefix="tlk-worker-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)
