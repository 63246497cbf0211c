"""What the verbs that make a new run share: its settings and name, its model, its files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from tl_keras.config import Config, HeadConfig
from tl_keras.data import manifest
from tl_keras.data.files import absolute
from tl_keras.data.pipelines import Labelled
from tl_keras.data.sources.exclude import effective_table
from tl_keras.data.sources.read import TFDS_PREFIX
from tl_keras.evaluation.report import Report
from tl_keras.exporting.keras_file import save_classifier
from tl_keras.files import write_text
from tl_keras.geometry import Geometry
from tl_keras.inference.info import labels_text
from tl_keras.model_info import ModelInfo
from tl_keras.models.assemble import build_classifier
from tl_keras.models.backbones import find
from tl_keras.models.source import KEYWORDS
from tl_keras.run import Run
from tl_keras.training.device import DevicePlan
from tl_keras.workflows.stored import StoredRun


def with_absolute_paths(config: Config, data: str | Path | None) -> Config:
    """Return the settings with `data` as source, absolute paths and the backbone's own spelling of its name.

    So the saved config works from anywhere.
    """
    source = str(data) if data is not None else config.data.source
    if source and not source.startswith(TFDS_PREFIX) and source != "digits":
        source = str(absolute(source))
    tfds_dir = config.data.tfds_dir and str(absolute(config.data.tfds_dir))
    exclude = config.data.exclude and str(absolute(config.data.exclude))
    backbone, weights = find(config.model.backbone).name, config.model.weights
    if weights not in KEYWORDS:
        weights = str(absolute(weights))
    return config.model_copy(
        update={
            "data": config.data.model_copy(
                update={"source": source, "tfds_dir": tfds_dir, "exclude": exclude}
            ),
            "model": config.model.model_copy(update={"backbone": backbone, "weights": weights}),
        }
    )


def with_kept_exclusions(config: Config, run: Run, final: Path) -> Config:
    """Return the settings with a copy of `data.exclude` in the run: the user will go on editing the table.

    Args:
        config: With absolute paths.
        run: What is being written.
        final: Where it will be.
    """
    if not config.data.exclude:
        return config
    table = effective_table(Path(config.data.exclude), multilabel=config.data.task == "multilabel")
    write_text(run.exclude_file, table)
    kept = str((final / run.exclude_file.name).absolute())
    return config.model_copy(update={"data": config.data.model_copy(update={"exclude": kept})})


def run_name(config: Config) -> str:
    """Return a name made of the data's and the backbone's, for runs that the user did not name."""
    return f"{_plain(Path(str(config.data.source)).name)}-{_plain(config.model.backbone)}"


def build(
    config: Config, labels: tuple[str, ...], device: DevicePlan, phase: str, *, frozen: bool
) -> tuple[Any, ModelInfo]:
    """Return an untrained classifier and its description.

    Args:
        config: All settings.
        labels: Class names in the order of the outputs.
        device: What it will be trained on.
        phase: The phase that will train it.
        frozen: Whether only its head will train.
    """
    with device.strategy.scope():
        classifier = build_classifier(
            config.model,
            config.head or HeadConfig(),
            image_size=config.data.image_size,
            classes=len(labels),
            task=config.data.task,
            frozen=frozen,
        )
    return classifier, describe(classifier, config, labels, phase)


def describe(network: Any, config: Config, labels: tuple[str, ...], phase: str) -> ModelInfo:
    """Return the description of a classifier that has the input of `network`."""
    _, height, width, _ = network.input_shape
    geometry = Geometry(height, width, config.data.resize, config.data.crop_fraction)
    return ModelInfo(labels, geometry, config.data.task, phase)


def write_run(stored: StoredRun, classifier: Any, model: Any, reported: Labelled) -> Report:
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


def _plain(name: str) -> str:
    """Return a name that is safe for a folder; letters of any script are kept."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-.").lower() or "run"
