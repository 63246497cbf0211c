"""What can be interrupted and resumed: new runs, and fine-tunings of finished ones.

They lie in `.unfinished/` beside the runs, or in the run: the settings as they were requested, and what is
written so far. Only what holds a checkpoint stays there; anything else would restart anyway.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from shlex import quote
from typing import Any

from tl_keras.config.schema import Config
from tl_keras.core.console import warn
from tl_keras.core.files import remove, remove_asides, replace, write_text
from tl_keras.distributed.collectives import is_chief
from tl_keras.errors import ConfigError, RunError, TrainingError
from tl_keras.runs.folder import DECISION_FILE, SUMMARY_FILE, RunFolder
from tl_keras.runs.lock import claim
from tl_keras.runs.resolve_settings import with_own_exclusions
from tl_keras.runs.unfinished import FORMERLY_REQUESTED, REQUESTED, UNFINISHED, has_checkpoints, requested
from tl_keras.runs.worker_copies import take_from_chief

OF_NO_INFLUENCE = (
    "data.cache_mb", "data.exclude", "runtime.checkpoint_minutes", "runtime.tensorboard",
    "runtime.strategy",
)  # fmt: skip
"""Settings that may change while something is unfinished; whether other images are excluded is noticed."""
UNUSED = {
    "frozen": ("finetune.", "baseline"),
    "full": ("train.", "baseline"),
    "scratch": ("finetune.", "baseline"),
    "pretrain": ("finetune.", "baseline", "transfer", "features"),
    "finetune": ("train.", "baseline"),
}
"""By what is trained, beginnings of paths of settings that decide nothing."""


def decided_phase(run: RunFolder) -> Path | None:
    """Return the folder of a fine-tuning that was interrupted when all but its end was done, if there is one.

    On every worker it then has the chief's files.
    """
    folder = run.path / UNFINISHED / run.next_phase("finetune")
    files = (DECISION_FILE, SUMMARY_FILE, REQUESTED, FORMERLY_REQUESTED)
    return folder if take_from_chief(*(folder / name for name in files)) else None


def requests_the_same(phase: Path, config: Config) -> bool:
    """Return whether a fine-tuning was started with settings that lead to the same weights."""
    return not _differences(phase, config, UNUSED["finetune"])


def made_with_other_settings(run: RunFolder, config: Config) -> bool:
    """Return whether a finished run was made by `fit` with settings that lead to other weights."""
    made_with = run.config()
    chosen = () if config.head else ("head", *(f"train.{name}" for name in config.open_settings("train")))
    ignored = (*OF_NO_INFLUENCE, *UNUSED[config.transfer], *chosen)
    asked_alike = _asked_of_training(made_with) == _asked_of_training(config)
    return not asked_alike or bool(_unequal(made_with, config, ignored))


def _asked_of_training(config: Config) -> set[str]:
    """Return the settings that the choice of a head obeys."""
    return {path for path in config.asked if path.startswith(("head", "train."))}


@contextmanager
def resumable_run(
    runs_dir: Path, name: str, config: Config, trains: str, *, exact: bool, overwrite: bool
) -> Iterator[tuple[RunFolder, Path, Config]]:
    """Yield a run to be written, the folder at which it appears when the block ends, and its settings.

    It appears only if the block ends without an error. What an interrupted block wrote stays when it holds a
    checkpoint; the next call with the same name and the same settings gets it back. The settings name the
    run's own copy of the exclusions.

    Args:
        runs_dir: The folder of all runs.
        name: The wished name.
        config: All settings.
        trains: A key of `UNUSED`.
        exact: Whether the name was the user's; otherwise a number is added when it is taken.
        overwrite: Whether a run of that name is replaced, at the very end, so that a failure loses nothing;
            and an unfinished one with other settings, as soon as the new run has a checkpoint of its own.

    Raises:
        RunError: The name is taken, nothing can be written there, or what is unfinished was started with
            other settings.
        KeyboardInterrupt: With a text for people: how to resume, or that there is nothing to resume.
    """
    with ExitStack() as stack:
        folder = claim(stack, runs_dir, name, exact=exact, overwrite=overwrite)
        run = RunFolder(runs_dir / UNFINISHED / folder.name)
        with _resumable(run.path, folder, config, folder, overwrite=overwrite, unused=UNUSED[trains]):
            config = with_own_exclusions(config, folder)
            write_text(run.path / REQUESTED, config.to_yaml())
            yield run, folder, config


@contextmanager
def resumable_phase(run: RunFolder, name: str, config: Config, *, overwrite: bool) -> Iterator[Path]:
    """Yield a folder that becomes a phase of a finished run when the block ends without an error.

    As with `resumable_run`, what can be resumed stays.
    """
    aside, folder = run.path / UNFINISHED / name, run.phases_dir / name
    with _resumable(aside, folder, config, run.path, overwrite=overwrite, unused=UNUSED["finetune"]):
        write_text(aside / REQUESTED, config.to_yaml())
        yield aside


@contextmanager
def _resumable(
    aside: Path, destination: Path, config: Config, named: Path, *, overwrite: bool, unused: tuple[str, ...]
) -> Iterator[None]:
    discarded = aside.with_name(f".{aside.name}.discarded")
    _restore(aside, discarded)
    if aside.exists() and (changed := _differences(aside, config, unused)):
        if not overwrite:
            raise RunError(_other_settings(named, changed, _how_to_resume(named, destination)))
        aside.rename(discarded)
    remove_asides(aside)
    try:
        yield
    except BaseException as error:
        if isinstance(error, TrainingError):
            remove(aside)  # the same settings would lead there again
        _restore(aside, discarded)
        _tidy(aside.parent)
        resume = _how_to_resume(named, destination) if has_checkpoints(aside) else None
        if isinstance(error, KeyboardInterrupt) and is_chief():  # only the chief's run can be resumed
            raise type(error)(_interrupted(named, resume)) from error
        if resume:
            warn(f"what was done is kept; resume with: {resume}")
        raise
    remove(discarded)
    replace(aside, destination)
    for file in (REQUESTED, FORMERLY_REQUESTED):
        remove(destination / file)
    remove_checkpoints(destination)
    _tidy(aside.parent)


def remove_checkpoints(folder: Path) -> None:
    """Remove what nothing will resume from, since it is finished."""
    for checkpoints in list(folder.rglob("checkpoints")):
        remove(checkpoints)


def _tidy(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()  # if nothing else is unfinished


def _restore(aside: Path, discarded: Path) -> None:
    """Remove what got no further than its start, and put back what it was to replace."""
    if not has_checkpoints(aside) and not (aside / DECISION_FILE).is_file():
        remove(aside)
        if discarded.exists():
            discarded.rename(aside)
    remove(discarded)


def _differences(aside: Path, config: Config, unused: tuple[str, ...]) -> list[str]:
    """Return a line for each setting that decides the weights and was another when `aside` was started."""
    try:
        theirs = requested(aside)
    except ConfigError as error:
        return [f"  {error}"]
    return _unequal(theirs, config, (*OF_NO_INFLUENCE, *unused))


def _unequal(there: Config, asked_for: Config, ignored: tuple[str, ...]) -> list[str]:
    theirs, ours = _flat(there.model_dump(mode="json")), _flat(asked_for.model_dump(mode="json"))
    return [
        f"  {path}: {theirs.get(path)!r} there, {ours.get(path)!r} asked for"
        for path in sorted({*theirs, *ours})
        if theirs.get(path) != ours.get(path) and not path.startswith(ignored)
    ]


def _interrupted(named: Path, resume: str | None) -> str:
    if resume:
        return f"Interrupted; resume with: {resume}"
    left = f"{named} is as it was" if named.exists() else "no run was left"
    return f"Interrupted before there was anything to resume; {left}. The same command starts again."


def _how_to_resume(named: Path, destination: Path) -> str:
    if destination.exists():  # a finished run, which is to be replaced
        return "the same command, with --overwrite"
    return f"tlk resume {quote(str(named))}"


def _other_settings(named: Path, changed: list[str], resume: str) -> str:
    return (
        f"What is unfinished of {named} was started with other settings:\n"
        + "\n".join(changed)
        + f"\nResume with those settings ({resume}), restart with --overwrite, or choose another --name."
    )


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": value}
    return flat
