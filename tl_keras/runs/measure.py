"""How good a model is on a split of a run, with and without leaked images."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tl_keras.core.files import write_text
from tl_keras.core.types import Floats, Task
from tl_keras.data.example import Example
from tl_keras.data.loaders import Loader
from tl_keras.evaluation.measure import measure
from tl_keras.evaluation.metrics import decisions, wilson_interval
from tl_keras.evaluation.predictions import predictions_csv
from tl_keras.evaluation.record import CleanAccuracy, EvaluationRecord
from tl_keras.evaluation.transfer_gain import TransferGain
from tl_keras.models.source_model import KEYWORDS
from tl_keras.runs.dataset import read_examples
from tl_keras.runs.folder import GAIN_FILE, RunFolder, damaged_run
from tl_keras.runs.run import Run


def measure_model(
    run: Run, model: Any, loader: Loader, split: str, *, phase: str = "", data: str | None = None
) -> tuple[EvaluationRecord, Floats]:
    """Measure a classifier; return the figures and the probabilities in the loader's order.

    Args:
        run: Its run.
        model: The run's model, or one that may become it, or the part of one that takes features.
        loader: The images, or their features.
        split: What to call them.
        phase: The phase the classifier came from; that of the run's model when left out.
        data: Their source when they are not the run's own.
    """
    evaluation, outputs = measure(model, loader, run.info.task, f"evaluating on {split}")
    leaked = _leaked(run, loader.examples)
    record = EvaluationRecord(
        data=data or str(run.config.data.source),
        split=split,
        used_for_selection=data is None and split == "val",
        trained_on=int(leaked.sum()),
        backbone=run.config.model.backbone,
        phase=phase or run.info.phase,
        evaluation=evaluation,
        transfer=_transfer_gain(run, split) if data is None and not phase else None,
        without_leaked=_clean_accuracy(leaked, loader, outputs, run.info.task),
    )
    return record, outputs


def write_evaluation(
    run: Run, folder: Path, record: EvaluationRecord, loader: Loader, outputs: Floats
) -> None:
    """Write metrics.json and predictions.csv into `folder`."""
    predictions = predictions_csv(loader.examples, outputs, run.info.labels, run.info.task)
    write_text(folder / "predictions.csv", predictions)
    write_text(folder / "metrics.json", record.to_json())


def _leaked(run: Run, examples: Sequence[Example]) -> npt.NDArray[np.bool_]:
    """Return bool [n]: whether the image, a near-duplicate or one of its group was trained on."""
    train = run.dataset.split("train")
    contents = {example.sha256 for example in train} | _source_trained_on(run)
    groups = {example.group for example in train} - {""}
    return np.array([e.sha256 in contents or e.group in groups for e in examples], bool)


def _source_trained_on(run: Run) -> set[str]:
    """Return the hashes of the images that the source model was trained on, if its run is there."""
    source = RunFolder(Path(run.config.model.weights).parent)
    if run.config.model.weights in KEYWORDS or not source.manifest_file.is_file():
        return set()
    return {e.sha256 for e in read_examples(source) if e.split == "train" and e.is_used}


def _transfer_gain(run: Run, split: str) -> TransferGain | None:
    """Return what the run's baseline found, if it has one."""
    file = run.folder.phases_dir / run.info.phase / GAIN_FILE
    if split != run.dataset.reported_split or not file.is_file():
        return None
    try:
        return TransferGain.from_dict(json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError) as error:
        raise damaged_run(run.folder, f"{file}: {error}") from error


def _clean_accuracy(
    leaked: npt.NDArray[np.bool_], loader: Loader, outputs: Floats, task: Task
) -> CleanAccuracy | None:
    """Return the accuracy on what is not leaked, where that is some of the images and not all."""
    if not leaked.any() or leaked.all():
        return None
    rows = np.flatnonzero(~leaked)
    right = (decisions(outputs[rows], task) == loader.targets(rows).astype(bool)).all(axis=1)
    return CleanAccuracy(len(rows), float(right.mean()), wilson_interval(int(right.sum()), len(rows)))
