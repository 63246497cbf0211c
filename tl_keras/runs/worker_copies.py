"""Where the processes of a training over several workers write: only the chief's run stays."""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np

from tl_keras.config.schema import Config, HeadConfig, PhaseConfig
from tl_keras.core.files import write_text
from tl_keras.distributed.collectives import any_of_workers, broadcast, is_chief, synchronized
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
            with locked(run.path):
                yield run.path
        else:
            copy = Path(tempfile.mkdtemp(dir=runs_dir)) / run.name
            yield shutil.copytree(folder, copy, ignore=shutil.ignore_patterns(".*", "exports"))


def take_from_chief(*files: Path) -> bool:
    """Give all workers those of the files that the chief has; return whether it has the first of them."""
    if not any_of_workers(files[0].is_file()):
        return False
    mine = [np.frombuffer(file.read_bytes() if file.is_file() else b"", np.uint8) for file in files]
    for file, content in zip(files, broadcast(mine), strict=True):
        if len(content):
            write_text(file, content.tobytes().decode())
    return True


def with_head_of_chief(config: Config) -> Config:
    """Return the settings with the chief's choice of a head: other processors may round to another one."""
    mine = config.model_dump_json(include={"head", "train"}).encode()
    chosen = json.loads(broadcast([np.frombuffer(mine, np.uint8)])[0].tobytes())
    return config.model_copy(
        update={"head": HeadConfig(**chosen["head"]), "train": PhaseConfig(**chosen["train"])}
    )


@cache
def _temporary_runs_dir() -> Path:
    folder = tempfile.mkdtemp(prefix="tlk-worker-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)
