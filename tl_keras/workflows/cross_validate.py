"""`cross_validate`: as many fits as folds, each tested on images that the others were trained on."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tl_keras.config.schema import Config
from tl_keras.core.console import say, warn
from tl_keras.core.wording import counted
from tl_keras.data.sources.read import read_source
from tl_keras.distributed.devices import require_one_process
from tl_keras.errors import ConfigError, TlkError
from tl_keras.evaluation.folds import FoldsSummary, summarize
from tl_keras.evaluation.record import EvaluationRecord
from tl_keras.models.source_model import with_source
from tl_keras.runs.dataset import read_examples
from tl_keras.runs.folder import DEFAULT_RUNS_DIR, RunFolder
from tl_keras.runs.lock import NameTaken, claim, locked
from tl_keras.runs.settings import run_name, with_absolute_paths
from tl_keras.workflows.fit import fit


@dataclass(frozen=True, slots=True)
class CrossValidation:
    """What the folds found.

    Attributes:
        runs: A run's folder per fold.
        reports: What each measured on its own fold.
        summary: The figures of all folds together.
    """

    runs: tuple[Path, ...]
    reports: tuple[EvaluationRecord, ...]
    summary: FoldsSummary

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        folds = [
            {"run": str(run), **report.to_dict()} for run, report in zip(self.runs, self.reports, strict=True)
        ]
        return {"folds": folds, "summary": self.summary.to_dict()}


def cross_validate(
    data: str | Path | None = None,
    config: Config | None = None,
    *,
    folds: int,
    name: str | None = None,
    runs_dir: str | Path = DEFAULT_RUNS_DIR,
    overwrite: bool = False,
) -> CrossValidation:
    """Fit once per fold, so that every image is tested by a model that has not seen it.

    Each fold is a run of its own, NAME-1-of-5 and so on. Features are computed once, for all of them.

    Args:
        data: Where the images are; instead of `config.data.source`.
        config: All settings but `data.folds` and `data.fold`; None for the defaults.
        folds: How many; each is the test split of one run.
        name: What the runs' names begin with; None for one made of the data's and the backbone's.
        runs_dir: The folder that the runs are put into.
        overwrite: Replace runs of the same names.

    Raises:
        TlkError: A fold failed, and says so; those that were done before stay.
        ConfigError: Fewer than two folds, or the source brings its own splits, which are never changed.
        NameTaken: A run of one of the names exists; nothing has been trained then.
        KeyboardInterrupt: Ctrl-C; the folds that were done stay.
    """
    if folds < 2:
        raise ConfigError(f"Cross-validation needs at least 2 folds, found {folds}.")
    config = with_absolute_paths(with_source(config or Config()), data)
    require_one_process(config.runtime, "Cross-validation")
    _require_no_splits(config)
    done: list[tuple[Path, EvaluationRecord]] = []
    with _names(Path(runs_dir), name, run_name(config), folds, overwrite=overwrite) as names:
        for fold, run in enumerate(names, 1):
            with _telling_which(fold, done, names):
                made = fit(
                    config=_of_fold(config, folds, fold), name=run, runs_dir=runs_dir, overwrite=overwrite
                )
            done.append((made.run, made.report))
            say(f"fold {fold} of {folds}: {made.report.headline()}")
    runs, reports = zip(*done, strict=True)
    again = sum(report.evaluation.images for report in reports) - _used(runs[0])
    if again > 0:
        warn(f"{counted(again, 'image')} of small classes served in several folds, and count as often.")
    return CrossValidation(runs, reports, summarize([report.evaluation for report in reports]))


def _used(run: Path) -> int:
    """Return how many images a run's splits have in all."""
    return sum(example.is_used for example in read_examples(RunFolder(run)))


def _of_fold(config: Config, folds: int, fold: int) -> Config:
    data = config.data.model_copy(update={"folds": folds, "fold": fold})
    return config.model_copy(update={"data": data})


def _require_no_splits(config: Config) -> None:
    """Refuse sources whose val or test images are chosen already.

    Raises:
        ConfigError: This is one.
    """
    splits = {example.split for example in read_source(config.data).examples}
    given = " and ".join(sorted(splits & {"val", "test"}))
    if given:
        raise ConfigError(
            f"{config.data.source} brings its own {given} split, which is never changed; "
            "cross-validation makes its own.\nFit it as it is, or name a folder or table without splits."
        )


@contextmanager
def _names(
    runs_dir: Path, name: str | None, wish: str, folds: int, *, overwrite: bool
) -> Iterator[list[str]]:
    """Yield the names of the runs, all of which can be written; meanwhile no other cross-validation has them.

    Raises:
        NameTaken: One of them is taken, and the name was the user's; otherwise a number is added.
    """
    for number in itertools.count(1):
        base = name or (wish if number == 1 else f"{wish}-{number}")
        names = [f"{base}-{fold}-of-{folds}" for fold in range(1, folds + 1)]
        with ExitStack() as stack:
            try:
                _require_free(runs_dir, names, overwrite=overwrite)
                stack.enter_context(locked(runs_dir / f"{base}-of-{folds}"))
            except NameTaken:
                if name:
                    raise
                continue
            yield names
            return


def _require_free(runs_dir: Path, names: list[str], *, overwrite: bool) -> None:
    """Look at all names before the first fold is trained; `fit` then takes them one by one."""
    with ExitStack() as stack:
        for name in names:
            claim(stack, runs_dir, name, exact=True, overwrite=overwrite)


@contextmanager
def _telling_which(fold: int, done: list[tuple[Path, EvaluationRecord]], names: list[str]) -> Iterator[None]:
    """Say in which fold something went wrong, and what stays."""
    which = f"fold {fold} of {len(names)}"
    runs = ", ".join(run.name for run, _ in done)
    stay = f"\nThe folds before it are done, and stay: {runs}." if done else ""
    try:
        yield
    except KeyboardInterrupt as error:
        rest = str(error).removeprefix("Interrupted; ") or "nothing half-written was left."
        raise KeyboardInterrupt(f"Interrupted in {which}; {rest}{stay}") from error
    except TlkError as error:
        # The kind of error stays what it is.
        error.args = (f"In {which}: {error}{stay}",)
        raise
