"""The runs of a cross-validation: their names, and which of them an interrupted one has done."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tl_keras.config.schema import Config
from tl_keras.core.files import remove, write_text
from tl_keras.errors import RunError
from tl_keras.runs.folder import RunFolder
from tl_keras.runs.lock import NameTaken, claim, locked, require_name
from tl_keras.runs.resolve_settings import run_name
from tl_keras.runs.resumable import started_with_other_settings
from tl_keras.runs.unfinished import REQUESTED, UNFINISHED


@dataclass(frozen=True, slots=True)
class Folds:
    """The runs of a cross-validation.

    Attributes:
        runs: A run per fold.
        notes: A folder that remembers what was asked for and which folds are done; it goes with the last one.
    """

    runs: tuple[RunFolder, ...]
    notes: Path

    def is_done(self, run: RunFolder) -> bool:
        """Return whether a fold was trained before this cross-validation was interrupted."""
        return (self.notes / run.name).is_file() and not run.missing_files()

    def note_done(self, run: RunFolder) -> None:
        """Remember that a fold is done."""
        write_text(self.notes / run.name, "")


@contextmanager
def claimed_folds(
    runs_dir: Path, name: str | None, config: Config, folds: int, *, overwrite: bool
) -> Iterator[Folds]:
    """Yield the runs of a cross-validation, new or interrupted, all of which can be written.

    Meanwhile no other cross-validation has them.

    Args:
        runs_dir: The folder of all runs.
        name: What their names begin with; None for one made of the data's and the backbone's.
        config: Resolved settings.
        folds: How many.
        overwrite: Replace runs of the same names, done ones too.

    Raises:
        NameTaken: One of the names is taken, and the name was the user's; otherwise a number is added.
        RunError: The name cannot be a folder's; or what was interrupted was started with other settings.
    """
    if name:
        require_name(name)
    for number in itertools.count(1):
        base = name or (run_name(config) if number == 1 else f"{run_name(config)}-{number}")
        names = [f"{base}-{fold}-of-{folds}" for fold in range(1, folds + 1)]
        all_of_them = f"{base}-of-{folds}"
        found = Folds(tuple(RunFolder(runs_dir / run) for run in names), runs_dir / UNFINISHED / all_of_them)
        with ExitStack() as stack:
            try:
                stack.enter_context(locked(runs_dir / all_of_them))
                _require_same(found, config, overwrite=overwrite)
                _require_free(found, overwrite=overwrite)
            except NameTaken:
                if name:
                    raise
                continue
            write_text(found.notes / REQUESTED, config.to_yaml())
            with _kept_if_some_are_done(found):
                yield found
            return


def _require_same(folds: Folds, config: Config, *, overwrite: bool) -> None:
    if overwrite:
        remove(folds.notes)
    elif changed := started_with_other_settings(folds.notes, config):
        raise RunError(
            f"The cross-validation {folds.notes.name} was started with other settings:\n"
            + "\n".join(changed)
            + "\nResume it with those settings, restart with --overwrite, or choose another --name."
        )


def _require_free(folds: Folds, *, overwrite: bool) -> None:
    """Look at all names before the first fold is trained; `fit` then takes them one by one."""
    with ExitStack() as stack:
        for run in folds.runs:
            if not folds.is_done(run):
                claim(stack, run.path.parent, run.name, exact=True, overwrite=overwrite)


@contextmanager
def _kept_if_some_are_done(folds: Folds) -> Iterator[None]:
    try:
        yield
    except BaseException:
        if not any(folds.is_done(run) for run in folds.runs):
            remove(folds.notes)
        raise
    remove(folds.notes)
