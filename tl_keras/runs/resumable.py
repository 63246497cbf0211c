"""What can be stopped and gone on with: new runs, and fine-tunings of finished ones.

They lie in `.unfinished/` beside the runs, or in the run: its settings, and what is written so far. Only what
holds a checkpoint stays there; anything else would begin at the beginning anyway.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from shlex import quote
from typing import Any

from tl_keras.config.loading import load_config
from tl_keras.config.schema import Config
from tl_keras.core.console import warn
from tl_keras.core.files import remove, remove_asides, replace, write_text
from tl_keras.errors import ConfigError, RunError, TrainingError
from tl_keras.runs.folder import RunFolder
from tl_keras.runs.lock import claim

UNFINISHED = ".unfinished"
REQUESTED = "asked.yaml"
"""The settings as they were asked for, beside what comes of them."""
OF_NO_INFLUENCE = (
    "data.cache_mb", "data.exclude", "runtime.checkpoint_minutes", "runtime.tensorboard", "runtime.strategy",
)  # fmt: skip
"""Settings that may change while something is unfinished; whether other images are excluded is noticed."""


UNUSED_IN_PHASES = ("train.", "baseline")


def list_unfinished(runs_dir: Path) -> list[RunFolder]:
    """Return the new runs that were stopped and can go on, by name."""
    runs = [RunFolder(folder) for folder in sorted((runs_dir / UNFINISHED).glob("[!.]*"))]
    return [run for run in runs if run.checkpoints]


def unfinished_run(folder: Path) -> RunFolder | None:
    """Return what there is of the run that would be at `folder`, if it was stopped and can go on."""
    run = RunFolder(folder.parent / UNFINISHED / folder.name)
    return run if run.checkpoints else None


def unfinished_phase(run: RunFolder) -> Path | None:
    """Return the folder of a phase of a finished run that was stopped and can go on."""
    found = sorted((run.folder / UNFINISHED).glob("[!.]*"))
    return next((folder for folder in found if _checkpoints(folder)), None)


@contextmanager
def resumable_run(
    runs_dir: Path, name: str, config: Config, *, exact: bool, overwrite: bool, unused: tuple[str, ...] = ()
) -> Iterator[tuple[RunFolder, Path]]:
    """Yield a run to be written and the folder at which it appears when the block ends without an error.

    What a stopped block wrote stays when it holds a checkpoint; the next call with the same name and the same
    settings gets it back.

    Args:
        runs_dir: The folder of all runs.
        name: The wished name.
        config: All settings.
        exact: Whether the name was the user's; otherwise a number is added when it is taken.
        overwrite: Whether a run of that name is replaced, at the very end, so that a failure loses nothing;
            and an unfinished one with other settings, as soon as the new run has a checkpoint of its own.
        unused: Beginnings of paths of settings that decide nothing here.

    Raises:
        RunError: The name is taken, nothing can be written there, or what is unfinished was begun with other
            settings.
        KeyboardInterrupt: With a text for people when the run can go on.
    """
    with ExitStack() as stack:
        folder = claim(stack, runs_dir, name, exact=exact, overwrite=overwrite)
        aside = runs_dir / UNFINISHED / folder.name
        with _resumable(aside, folder, config, folder, overwrite=overwrite, unused=unused):
            yield RunFolder(aside), folder


@contextmanager
def resumable_phase(run: RunFolder, name: str, config: Config, *, overwrite: bool) -> Iterator[Path]:
    """Yield a folder that becomes a phase of a finished run when the block ends without an error.

    As with `resumable_run`, what can go on stays.
    """
    aside, folder = run.folder / UNFINISHED / name, run.phases_dir / name
    with _resumable(aside, folder, config, run.folder, overwrite=overwrite, unused=UNUSED_IN_PHASES):
        yield aside


@contextmanager
def _resumable(
    aside: Path, destination: Path, config: Config, named: Path, *, overwrite: bool, unused: tuple[str, ...]
) -> Iterator[None]:
    discarded = aside.with_name(f".{aside.name}.discarded")
    _restore(aside, discarded)
    if aside.exists() and (changed := differences(aside, config, unused)):
        if not overwrite:
            raise RunError(_other_settings(named, changed, _how_to_go_on(named, destination)))
        aside.rename(discarded)
    remove_asides(aside)
    write_text(aside / REQUESTED, config.to_yaml())
    try:
        yield
    except BaseException as error:
        if isinstance(error, TrainingError):
            remove(aside)  # the same settings would lead there again
        _restore(aside, discarded)
        _tidy(aside.parent)
        if _checkpoints(aside):
            go_on = f"go on with: {_how_to_go_on(named, destination)}"
            if isinstance(error, KeyboardInterrupt):
                raise KeyboardInterrupt(f"Interrupted; {go_on}") from error
            warn(f"what was done is kept; {go_on}")
        raise
    remove(discarded)
    replace(aside, destination)
    remove(destination / REQUESTED)
    remove_checkpoints(destination)
    _tidy(aside.parent)


def remove_checkpoints(folder: Path) -> None:
    """Remove what nothing will go on from, since it is finished."""
    for checkpoints in list(folder.rglob("checkpoints")):
        remove(checkpoints)


def _checkpoints(folder: Path) -> bool:
    return any(folder.rglob("checkpoints/[0-9]*.npz"))


def _tidy(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()  # if nothing else is unfinished


def _restore(aside: Path, discarded: Path) -> None:
    """Remove what got no further than its beginning, and put back what it was to replace."""
    if not _checkpoints(aside):
        remove(aside)
        if discarded.exists():
            discarded.rename(aside)
    remove(discarded)


def differences(aside: Path, config: Config, unused: tuple[str, ...]) -> list[str]:
    """Return a line for each setting that decides the weights and was another when `aside` was begun."""
    ignored = (*OF_NO_INFLUENCE, *unused)
    try:
        theirs = _flat(load_config(aside / REQUESTED).model_dump(mode="json"))
    except ConfigError as error:
        return [f"  {error}"]
    ours = _flat(config.model_dump(mode="json"))
    return [
        f"  {path}: {theirs.get(path)!r} there, {ours.get(path)!r} asked for"
        for path in sorted({*theirs, *ours})
        if theirs.get(path) != ours.get(path) and not path.startswith(ignored)
    ]


def _how_to_go_on(named: Path, destination: Path) -> str:
    if destination.exists():  # a finished run, which is to be replaced
        return "the same command, with --overwrite"
    return f"tlk resume {quote(str(named))}"


def _other_settings(named: Path, changed: list[str], go_on: str) -> str:
    return (
        f"What is unfinished of {named} was begun with other settings:\n"
        + "\n".join(changed)
        + f"\nGo on with those settings ({go_on}), begin anew with --overwrite, or choose another --name."
    )


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat
