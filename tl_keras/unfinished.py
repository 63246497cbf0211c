"""Runs that can be stopped and gone on with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from tl_keras.config import Config
from tl_keras.errors import ConfigError, RunError, TrainingError
from tl_keras.files import remove, remove_asides, replace, write_text
from tl_keras.run import Run, claim

UNFINISHED = ".unfinished"
"""The folder in `saved_models/` where they lie."""
KEPT = "Interrupted. What was done is kept: the same command goes on with it."
OF_NO_INFLUENCE = (
    "data.cache_mb", "finetune.", "baseline", "runtime.checkpoint_minutes", "runtime.tensorboard",
)  # fmt: skip
"""Settings that may change while a run is unfinished."""


def list_unfinished(runs_dir: Path) -> list[Run]:
    """Return the runs that were stopped and can go on, by name."""
    runs = [Run(folder) for folder in sorted((runs_dir / UNFINISHED).glob("[!.]*"))]
    return [run for run in runs if run.checkpoints]


@contextmanager
def resumable_run(
    runs_dir: Path, name: str, config: Config, *, exact: bool, overwrite: bool
) -> Iterator[tuple[Run, Path]]:
    """Like `new_run`, but what a stopped block wrote stays when it holds a checkpoint.

    The next call with the same name and the same settings gets it back. It lies in UNFINISHED until then.

    Raises:
        RunError: As `new_run`; or what lies there was begun with other settings and `overwrite` is not given.
            With it, that is lost as soon as the new run has a checkpoint of its own.
        KeyboardInterrupt: With a text for people when the run can go on.
    """
    with ExitStack() as stack:
        folder = claim(stack, runs_dir, name, exact=exact, overwrite=overwrite)
        run = Run(runs_dir / UNFINISHED / folder.name)
        discarded = run.folder.with_name(f".{run.name}.discarded")
        _restore(run, discarded)
        if run.folder.exists() and (changed := _differences(run, config)):
            if not overwrite:
                raise RunError(_other_settings(run, changed))
            run.folder.rename(discarded)
        remove_asides(run.folder)
        write_text(run.config_file, config.to_yaml())
        try:
            yield run, folder
        except BaseException as error:
            if isinstance(error, TrainingError):
                remove(run.folder)  # the same settings would lead there again
            _restore(run, discarded)
            if isinstance(error, KeyboardInterrupt) and run.checkpoints:
                raise KeyboardInterrupt(KEPT) from error
            raise
        replace(run.folder, folder)
        remove(discarded)
        with suppress(OSError):
            run.folder.parent.rmdir()  # if it was the only one
        for checkpoint in Run(folder).checkpoints:
            remove(checkpoint.parent)


def _restore(run: Run, discarded: Path) -> None:
    """Remove a run that got no further than its beginning, and put back the one that it was to replace."""
    if not run.checkpoints:
        remove(run.folder)
        if discarded.exists():
            discarded.rename(run.folder)
    remove(discarded)


def _differences(run: Run, config: Config) -> list[str]:
    """Return a line for each setting that decides the weights and is another in `run`."""
    try:
        theirs = _flat(run.config().model_dump(mode="json"))
    except ConfigError as error:
        return [f"  {error}"]
    ours = _flat(config.model_dump(mode="json"))
    return [
        f"  {path}: {theirs.get(path)!r} there, {ours.get(path)!r} asked for"
        for path in sorted({*theirs, *ours})
        if theirs.get(path) != ours.get(path) and not path.startswith(OF_NO_INFLUENCE)
    ]


def _other_settings(run: Run, changed: list[str]) -> str:
    return (
        f"An unfinished run of the name {run.name} was begun with other settings:\n"
        + "\n".join(changed)
        + "\nGo on with those settings, choose another --name, or begin anew with --overwrite."
    )


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat
