"""The files of a finished run."""

from __future__ import annotations

from typing import Any

from tl_keras.core.files import write_text
from tl_keras.data import manifest
from tl_keras.data.loaders import Loader
from tl_keras.evaluation.record import EvaluationRecord
from tl_keras.models.saved.embedded_info import labels_text
from tl_keras.models.saved.keras_file import save_classifier
from tl_keras.runs.run import Run


def write_run(stored: Run, classifier: Any, model: Any, reported: Loader) -> EvaluationRecord:
    """Measure a trained classifier on the reported split and write the run's files.

    Args:
        stored: The run.
        classifier: What is saved.
        model: The part of it that takes the rows of `reported`.
        reported: The reported split, as images or as features.
    """
    run, split = stored.run, stored.prepared.reported_split
    with reported:
        report, outputs = stored.report(model, reported, split)
        stored.write_report(run.folder, report, reported, outputs)
    save_classifier(classifier, stored.info, run.model_file)
    write_text(run.config_file, stored.config.to_yaml())
    write_text(run.labels_file, labels_text(stored.info))
    write_text(run.manifest_file, manifest.to_csv(stored.prepared.examples))
    return report
