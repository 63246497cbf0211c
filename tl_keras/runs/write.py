"""The files of a finished run."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from tl_keras.config.schema import Config
from tl_keras.core.files import atomic_write, write_text
from tl_keras.data import manifest
from tl_keras.data.loaders import Loader
from tl_keras.distributed.collectives import is_chief
from tl_keras.evaluation.record import EvaluationRecord
from tl_keras.models.saved.embedded_info import labels_text
from tl_keras.models.saved.keras_file import save_classifier
from tl_keras.runs.folder import RunFolder
from tl_keras.runs.measure import measure_model, write_evaluation
from tl_keras.runs.run import Run


def write_run(run: Run, classifier: Any, model: Any, reported: Loader) -> EvaluationRecord:
    """Measure a trained classifier on the reported split and write the run's files.

    Args:
        run: The run.
        classifier: What is saved.
        model: The part of it that takes the rows of `reported`.
        reported: The reported split, as images or as features.
    """
    folder = run.folder
    trained = folder.phases_dir / run.info.phase / "model.keras"
    save_classifier(classifier, run.info, trained)
    with reported:
        record, outputs = measure_model(run, model, reported, run.dataset.reported_split)
        write_evaluation(run, folder.path, record, reported, outputs)
    _copy(trained, folder.model_file)
    write_text(folder.config_file, run.config.to_yaml())
    write_text(folder.labels_file, labels_text(run.info))
    write_text(folder.manifest_file, manifest.to_csv(run.dataset.examples))
    return record


def install_phase(run: RunFolder, phase_folder: Path, config: Config) -> None:
    """Make a fine-tuned model that of the run, in the chief; done twice it is the same.

    The model comes first, since it carries the phase's name: metrics can be measured again.
    """
    if not is_chief():
        return
    for destination in (run.model_file, run.metrics_file, run.predictions_file):
        _copy(phase_folder / destination.name, destination)
    kept = run.config().model_copy(update={"finetune": config.finetune})
    write_text(run.config_file, kept.to_yaml())


def _copy(file: Path, destination: Path) -> None:
    with atomic_write(destination) as aside:
        shutil.copyfile(file, aside)
