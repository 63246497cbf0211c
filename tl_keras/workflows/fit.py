"""`fit`: a folder of labelled images becomes a tested classifier with a frozen backbone."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from tl_keras.config import Config, DataConfig
from tl_keras.console import say, warn
from tl_keras.data import manifest
from tl_keras.data.files import absolute
from tl_keras.data.prepare import prepare
from tl_keras.data.sources.read import TFDS_PREFIX, read_source
from tl_keras.data.sources.source import Source
from tl_keras.evaluation.report import Report
from tl_keras.exporting.keras_file import save_classifier
from tl_keras.files import write_text
from tl_keras.geometry import Geometry
from tl_keras.inference.info import labels_text
from tl_keras.model_info import ModelInfo
from tl_keras.models import backbones
from tl_keras.models.assemble import build_classifier
from tl_keras.run import DEFAULT_RUNS_DIR, new_run
from tl_keras.training.device import DevicePlan, plan_devices
from tl_keras.training.phase import PhaseResult, train_phase
from tl_keras.workflows.stored import StoredRun

PHASE = "1-head"


@dataclass(frozen=True, slots=True)
class FitResult:
    """What `fit` made.

    Attributes:
        run: The run's folder.
        report: How good the classifier is.
        phase: How the training went.
    """

    run: Path
    report: Report
    phase: PhaseResult


def fit(
    data: str | Path | None = None,
    config: Config | None = None,
    *,
    name: str | None = None,
    runs_dir: str | Path = DEFAULT_RUNS_DIR,
    overwrite: bool = False,
) -> FitResult:
    """Train a head on a frozen backbone, keep the best epoch, measure it on test.

    Args:
        data: Where the images are; instead of `config.data.source`.
        config: All settings; None for the defaults.
        name: The run's name; None for one made of the data's and the backbone's.
        runs_dir: The folder that the run is put into.
        overwrite: Replace a run of the same name.

    Raises:
        TlkError: Settings, images, weights or the run's folder are not as needed; nothing is left behind.
    """
    config = _with_source(config or Config(), data)
    spec = backbones.find(config.model.backbone)
    keras.utils.set_random_seed(config.runtime.seed)
    device = plan_devices(config.runtime)
    source = read_source(config.data)
    wish = name or f"{_plain(Path(str(config.data.source)).name)}-{_plain(spec.name)}"
    with new_run(Path(runs_dir), wish, exact=name is not None, overwrite=overwrite) as (run, final):
        # The model before the images: wrong settings and missing weights show within seconds.
        classifier = _build(config, source, device)
        info = _model_info(classifier, source, config.data)
        _say_plan(config, device)
        prepared = prepare(source, config.data, info.geometry, config.runtime.seed)
        stored = StoredRun(run, config, info, prepared)
        with stored.loader("train") as train, stored.loader("val") as val:
            folder = run.phases_dir / PHASE
            phase = train_phase(classifier, train, val, config, config.train, device, folder)
        save_classifier(classifier, info, folder / "model.keras")
        report = _write(stored, classifier)
    return FitResult(final, report, phase)


def _with_source(config: Config, data: str | Path | None) -> Config:
    """Return the settings with `data` as source and absolute paths: the saved config works from anywhere."""
    source = str(data) if data is not None else config.data.source
    if source and not source.startswith(TFDS_PREFIX) and source != "digits":
        source = str(absolute(source))
    tfds_dir = config.data.tfds_dir and str(absolute(config.data.tfds_dir))
    weights = config.model.weights
    if weights not in ("imagenet", "none"):
        weights = str(absolute(weights))
    return config.model_copy(
        update={
            "data": config.data.model_copy(update={"source": source, "tfds_dir": tfds_dir}),
            "model": config.model.model_copy(update={"weights": weights}),
        }
    )


def _say_plan(config: Config, device: DevicePlan) -> None:
    say(f"{config.model.backbone}, weights: {config.model.weights}")
    say(f"on {device.description}, {device.precision}")
    if config.model.weights == "none":
        warn("the frozen backbone has random weights: its features are random, and nothing is transferred.")


def _build(config: Config, source: Source, device: DevicePlan) -> Any:
    with device.strategy.scope():
        return build_classifier(
            config.model,
            config.head,
            image_size=config.data.image_size,
            classes=len(source.classes),
            task=config.data.task,
        )


def _model_info(classifier: Any, source: Source, data: DataConfig) -> ModelInfo:
    _, height, width, _ = classifier.input_shape
    geometry = Geometry(height, width, data.resize, data.crop_fraction)
    return ModelInfo(source.classes, geometry, data.task, PHASE)


def _write(stored: StoredRun, classifier: Any) -> Report:
    run, split = stored.run, stored.prepared.reported_split
    with stored.loader(split) as loader:
        report, outputs = stored.report(classifier, loader, split)
        stored.write_report(run.folder, report, loader, outputs)
    save_classifier(classifier, stored.info, run.model_file)
    write_text(run.config_file, stored.config.to_yaml())
    write_text(run.labels_file, labels_text(stored.info))
    write_text(run.manifest_file, manifest.to_csv(stored.prepared.examples))
    return report


def _plain(name: str) -> str:
    """Return a name that is safe for a folder; letters of any script are kept."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-.").lower() or "run"
