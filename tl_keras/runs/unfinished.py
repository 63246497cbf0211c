"""What was interrupted and can be resumed, as `resumable` left it; looking at it needs no TensorFlow."""

from __future__ import annotations

from pathlib import Path

from tl_keras.config.loading import load_config
from tl_keras.config.schema import Config
from tl_keras.runs.folder import RunFolder

UNFINISHED = ".unfinished"
REQUESTED, FORMERLY_REQUESTED = "requested.yaml", "asked.yaml"
"""The settings as they were asked for, beside what comes of them."""


def list_unfinished(runs_dir: Path) -> list[RunFolder]:
    """Return the new runs that were interrupted and can be resumed, by name."""
    runs = [RunFolder(folder) for folder in sorted((runs_dir / UNFINISHED).glob("[!.]*"))]
    return [run for run in runs if run.checkpoints]


def unfinished_run(folder: Path) -> RunFolder | None:
    """Return what there is of the run that would be at `folder`, if it was interrupted and can be resumed."""
    run = RunFolder(folder.parent / UNFINISHED / folder.name)
    return run if run.checkpoints else None


def unfinished_phase(run: RunFolder) -> Path | None:
    """Return the folder of a phase of a finished run that was interrupted and can be resumed."""
    found = sorted((run.path / UNFINISHED).glob("[!.]*"))
    return next((folder for folder in found if has_checkpoints(folder)), None)


def requested(unfinished: Path) -> Config:
    """Return the settings that an unfinished run or phase was started with.

    Raises:
        ConfigError: They cannot be read.
    """
    file = unfinished / REQUESTED
    config = load_config(file if file.is_file() else unfinished / FORMERLY_REQUESTED)
    own_table = RunFolder(unfinished).exclude_file
    if not (config.data.exclude and own_table.is_file()):
        return config
    # The settings name the table where it will be when the run is finished.
    data = config.data.model_copy(update={"exclude": str(own_table.absolute())})
    return config.model_copy(update={"data": data})


def has_checkpoints(folder: Path) -> bool:
    """Return whether something below `folder` can be resumed."""
    return any(folder.rglob("checkpoints/[0-9]*.npz"))
