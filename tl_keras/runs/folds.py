"""The runs of a cross-validation: their names, and which of them are done already."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tl_keras.config.schema import Config
from tl_keras.data.sources.source import ImageSource
from tl_keras.errors import TlkError
from tl_keras.runs.dataset import changes_since
from tl_keras.runs.folder import RunFolder
from tl_keras.runs.lock import NameTaken, claim, locked, require_name
from tl_keras.runs.resolve_settings import run_name
from tl_keras.runs.resumable import made_with_other_settings


@dataclass(frozen=True, slots=True)
class Fold:
    """A run of a cross-validation.

    Attributes:
        run: Where it is, or will be.
        config: Its settings.
        done: Whether it is there, made of the same images by the same settings.
    """

    run: RunFolder
    config: Config
    done: bool


@contextmanager
def claimed_folds(
    runs_dir: Path, name: str | None, configs: Sequence[Config], source: ImageSource, *, overwrite: bool
) -> Iterator[list[Fold]]:
    """Yield the runs of a cross-validation, all of which are done or can be written.

    Meanwhile no other cross-validation has them.

    Args:
        runs_dir: The folder of all runs.
        name: What their names begin with; None for one made of the data's and the backbone's.
        configs: Resolved settings of each.
        source: The images as they are listed now.
        overwrite: Replace runs of the same names but of other settings or images.

    Raises:
        NameTaken: One of the names is taken, and the name was the user's; otherwise a number is added.
    """
    folds, wish = len(configs), run_name(configs[0])
    for number in itertools.count(1):
        base = name or (wish if number == 1 else f"{wish}-{number}")
        require_name(base)
        names = [f"{base}-{fold}-of-{folds}" for fold in range(1, folds + 1)]
        with ExitStack() as stack:
            try:
                stack.enter_context(locked(runs_dir / f"{base}-of-{folds}"))
                found = [
                    _fold(runs_dir / run, config, source) for run, config in zip(names, configs, strict=True)
                ]
                _require_free(found, overwrite=overwrite)
            except NameTaken:
                if name:
                    raise
                continue
            yield found
            return


def _fold(path: Path, config: Config, source: ImageSource) -> Fold:
    run = RunFolder(path)
    return Fold(run, config, not run.missing_files() and _is_of(run, config, source))


def _is_of(run: RunFolder, config: Config, source: ImageSource) -> bool:
    try:
        return not (made_with_other_settings(run, config) or changes_since(run, source))
    except TlkError:  # damaged
        return False


def _require_free(folds: Sequence[Fold], *, overwrite: bool) -> None:
    """Look at all names before the first fold is trained; `fit` then takes them one by one."""
    with ExitStack() as stack:
        for fold in folds:
            if not fold.done:
                claim(stack, fold.run.path.parent, fold.run.name, exact=True, overwrite=overwrite)
