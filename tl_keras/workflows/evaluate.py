"""`evaluate`: how good a run's model is, on its own images or on others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tl_keras.console import progress
from tl_keras.data.check import check
from tl_keras.data.pipelines import Loader
from tl_keras.data.prepare import say_problems
from tl_keras.data.sources.read import read_source
from tl_keras.errors import DataError, did_you_mean
from tl_keras.evaluation.report import Report
from tl_keras.run import locked, open_run
from tl_keras.workflows.stored import StoredRun, open_stored


@dataclass(frozen=True, slots=True)
class EvaluateResult:
    """What `evaluate` measured, and the folder where metrics.json and predictions.csv were put."""

    report: Report
    folder: Path


def evaluate(run: str | Path, *, data: str | Path | None = None, split: str | None = None) -> EvaluateResult:
    """Measure a run's model: loss, accuracy with its interval, per class, confusion matrix.

    Args:
        run: A finished run's folder.
        data: Other labelled images; None for the run's own.
        split: Which split; None for the run's reported one, or for all images of `data`.

    Raises:
        TlkError: The run is unfinished, images are missing, or `data` has classes the model does not know.
    """
    with locked(open_run(Path(run)).folder):
        stored, classifier = open_stored(run)
        name = split or ("all" if data else stored.prepared.reported_split)
        opened = _other_images(stored, str(data), split) if data else stored.loader(name)
        with opened as loader:
            report, outputs = stored.report(classifier, loader, name, data=str(data) if data else None)
            folder = _folder(stored, name, data)
            stored.write_report(folder, report, loader, outputs)
    return EvaluateResult(report, folder)


def _folder(stored: StoredRun, split: str, data: str | Path | None) -> Path:
    """Return the run's own folder for its reported images, else one below `evaluations/`."""
    if data is None and split == stored.prepared.reported_split:
        return stored.run.folder
    what = split if data is None else f"{Path(data).name}-{split}"
    return stored.run.folder / "evaluations" / what


def _other_images(stored: StoredRun, data: str, split: str | None) -> Loader:
    settings = stored.config.data.model_copy(update={"source": data})
    source = read_source(settings, for_training=False)
    _require_known(source.classes, stored.info.labels)
    wanted = [e for e in source.examples if split is None or e.split == split]
    if not wanted:
        raise DataError(f"{data} has no images of split {split!r}; leave --split out to use all of them.")
    with progress("checking images", len(wanted)) as advance:
        checked = check(wanted, stored.info.geometry, advance)
    say_problems(checked)
    good = [example for example in checked if not example.problem]
    if not good:
        raise DataError(f"No readable images in {data}.")
    return Loader(good, stored.info.labels, stored.info.geometry, task=stored.info.task, cache_mb=0)


def _require_known(found: Sequence[str], known: Sequence[str]) -> None:
    unknown = [name for name in found if name not in known]
    if unknown:
        raise DataError(
            f"The model does not know these classes: {', '.join(unknown)}."
            f"{did_you_mean(unknown[0], known)} It knows: {', '.join(known)}."
        )
