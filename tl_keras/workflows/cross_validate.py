"""`cross_validate`: as many fits as folds, each tested on images that the others were trained on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tl_keras.config.schema import Config
from tl_keras.core.console import say, warn
from tl_keras.core.wording import counted
from tl_keras.data.sources.read import read_source
from tl_keras.data.sources.source import ImageSource
from tl_keras.distributed.devices import require_one_process
from tl_keras.errors import ConfigError, TlkError
from tl_keras.evaluation.folds import FoldsSummary, summarize
from tl_keras.evaluation.record import EvaluationRecord
from tl_keras.runs.dataset import read_examples
from tl_keras.runs.folder import DEFAULT_RUNS_DIR, RunFolder
from tl_keras.runs.folds import Fold, claimed_folds
from tl_keras.runs.resolve_settings import resolve
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
        overwrite: Replace runs of the same names that are of other settings or images.

    Raises:
        TlkError: A fold failed, and says so; those that were done before stay.
        ConfigError: Fewer than two folds, or the source brings its own splits, which are never changed.
        NameTaken: A run of one of the names exists; nothing has been trained then.
        KeyboardInterrupt: Ctrl-C; the folds that were done stay, and the same call does the others.
    """
    if folds < 2:
        raise ConfigError(f"Cross-validation needs at least 2 folds, found {folds}.")
    config = resolve(config or Config(), data)
    require_one_process(config.runtime, "Cross-validation")
    source = read_source(config.data)
    _require_no_splits(source, config)
    configs = [_of_fold(config, folds, fold) for fold in range(1, folds + 1)]
    done: list[tuple[Path, EvaluationRecord]] = []
    with claimed_folds(Path(runs_dir), name, configs, source, overwrite=overwrite) as claimed:
        for number, fold in enumerate(claimed, 1):
            with _telling_which(number, folds, done):
                record = fold.run.evaluation() if fold.done else _fit(fold, runs_dir, overwrite=overwrite)
            done.append((fold.run.path, record))
            say(f"fold {number} of {folds}: {record.headline()}")
    runs, reports = zip(*done, strict=True)
    again = sum(report.evaluation.images for report in reports) - _used(runs[0])
    if again > 0:
        warn(f"{counted(again, 'image')} of small classes served in several folds, and count as often.")
    return CrossValidation(runs, reports, summarize([report.evaluation for report in reports]))


def _fit(fold: Fold, runs_dir: str | Path, *, overwrite: bool) -> EvaluationRecord:
    made = fit(config=fold.config, name=fold.run.name, runs_dir=runs_dir, overwrite=overwrite)
    return made.report


def _used(run: Path) -> int:
    """Return how many images a run's splits have in all."""
    return sum(example.is_used for example in read_examples(RunFolder(run)))


def _of_fold(config: Config, folds: int, fold: int) -> Config:
    data = config.data.model_copy(update={"folds": folds, "fold": fold})
    return config.model_copy(update={"data": data})


def _require_no_splits(source: ImageSource, config: Config) -> None:
    """Refuse sources whose val or test images are chosen already.

    Raises:
        ConfigError: This is one.
    """
    splits = {example.split for example in source.examples}
    given = " and ".join(sorted(splits & {"val", "test"}))
    if given:
        raise ConfigError(
            f"{config.data.source} brings its own {given} split, which is never changed; "
            "cross-validation makes its own.\nFit it as it is, or name a folder or table without splits."
        )


@contextmanager
def _telling_which(fold: int, folds: int, done: list[tuple[Path, EvaluationRecord]]) -> Iterator[None]:
    """Say in which fold something went wrong, and what stays."""
    which = f"fold {fold} of {folds}"
    runs = ", ".join(run.name for run, _ in done)
    stay = f"\nThe folds before it are done, and stay: {runs}." if done else ""
    try:
        yield
    except KeyboardInterrupt as error:
        raise type(error)(f"Interrupted in {which}; continue with the same command.{stay}") from error
    except TlkError as error:
        # The kind of error stays what it is.
        error.args = (f"In {which}: {error}{stay}",)
        raise
