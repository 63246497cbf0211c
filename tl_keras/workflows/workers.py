"""Where the processes of a training over several workers write: only the chief's run stays."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tl_keras.run import locked, open_run
from tl_keras.training.multi_worker import is_chief, together


@contextmanager
def own_runs_dir(runs_dir: Path) -> Iterator[Path]:
    """Yield the folder that this process puts its run into: `runs_dir`, or one that is removed in the end.

    Call it when the devices are planned: only then is it known which worker this is.

    Raises:
        RunError: Another worker was lost.
    """
    with together():
        if is_chief():
            yield runs_dir
            return
        with tempfile.TemporaryDirectory(prefix="tlk-worker-") as folder:
            yield Path(folder)


@contextmanager
def own_run(folder: Path) -> Iterator[Path]:
    """Yield the folder of a finished run to be changed: itself, locked, or a copy that is removed in the end.

    Raises:
        RunError: It is not a finished run; or another worker was lost.
        NameTaken: Another process changes it.
    """
    run = open_run(folder)
    with own_runs_dir(folder.parent) as runs_dir:
        if is_chief():
            with locked(run.folder):
                yield run.folder
            return
        yield shutil.copytree(folder, runs_dir / run.name, ignore=shutil.ignore_patterns(".*", "exports"))
