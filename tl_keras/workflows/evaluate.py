"""`evaluate`: how good a run's model is, on its own images or on others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tl_keras.data.example import Example
from tl_keras.data.pipelines import Labelled, Loader
from tl_keras.data.prepare import check_images, say_problems
from tl_keras.data.sources.kinds import TRAINING_ONLY
from tl_keras.data.sources.read import read_source, require_no_errors
from tl_keras.errors import DataError, did_you_mean
from tl_keras.evaluation.report import Report
from tl_keras.models.assemble import head_of, trunk_of
from tl_keras.run import locked, open_run
from tl_keras.workflows.frozen import frozen_trunk
from tl_keras.workflows.stored import StoredRun, open_stored


@dataclass(frozen=True, slots=True)
class EvaluateResult:
    """What `evaluate` measured, and the folder where metrics.json and predictions.csv were put."""

    report: Report
    folder: Path


def evaluate(run: str | Path, *, data: str | Path | None = None, split: str | None = None) -> EvaluateResult:
    """Measure a run's model: loss, accuracy with its interval, per class, confusion matrix.

    Features that are stored are not computed again.

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
        wanted = _other_images(stored, str(data), split) if data else stored.images(name)
        model, loader = _rows(stored, classifier, wanted, others=data)
        with loader:
            report, outputs = stored.report(model, loader, name, data=str(data) if data else None)
            folder = _folder(stored, name, data)
            stored.write_report(folder, report, loader, outputs)
    return EvaluateResult(report, folder)


def _folder(stored: StoredRun, split: str, data: str | Path | None) -> Path:
    """Return the run's own folder for its reported images, else one below `evaluations/`."""
    if data is None and split == stored.prepared.reported_split:
        return stored.run.folder
    what = split if data is None else f"{Path(data).name}-{split}"
    return stored.run.folder / "evaluations" / what


def _rows(
    stored: StoredRun, classifier: Any, wanted: Sequence[Example], others: str | Path | None
) -> tuple[Any, Labelled]:
    """Return the part of the classifier that is to be measured, and the rows that it takes.

    Of the run's own images all must be readable; `others` may have broken ones, which are left out.
    """
    geometry, labels, task = stored.info.geometry, stored.info.labels, stored.info.task
    if not stored.config.features:
        examples = wanted if others is None else _readable(check_images(wanted, geometry), others)
        return classifier, Loader(examples, labels, geometry, task=task, cache_mb=0)
    frozen = frozen_trunk(trunk_of(classifier), stored.config, geometry)
    examples = frozen.recheck(wanted) if others is None else _readable(frozen.check(wanted), others)
    frozen.note_use(stored.run.folder)
    return head_of(classifier), frozen.loader(examples, labels, task)


def _other_images(stored: StoredRun, data: str, split: str | None) -> list[Example]:
    # Groups and exclusions are about the run's own images.
    settings = stored.config.data.model_copy(update={"source": data, "group_by": None, "exclude": None})
    source = require_no_errors(read_source(settings, for_training=False), data, but=TRAINING_ONLY)
    _require_known(source.classes, stored.info.labels)
    wanted = [replace(e, group="") for e in source.examples if split is None or e.split == split]
    if not wanted:
        raise DataError(f"{data} has no images of split {split!r}; leave --split out to use all of them.")
    return wanted


def _readable(checked: Sequence[Example], data: str | Path) -> list[Example]:
    say_problems(checked)
    good = [example for example in checked if not example.problem]
    if not good:
        raise DataError(f"No readable images in {data}.")
    return good


def _require_known(found: Sequence[str], known: Sequence[str]) -> None:
    unknown = [name for name in found if name not in known]
    if unknown:
        raise DataError(
            f"The model does not know these classes: {', '.join(unknown)}."
            f"{did_you_mean(unknown[0], known)} It knows: {', '.join(known)}."
        )
