"""`fit`: a folder of labelled images becomes a tested classifier."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import keras

from tl_keras.config import Config
from tl_keras.console import say, warn
from tl_keras.data.prepare import Prepared
from tl_keras.data.sources.read import read_source
from tl_keras.data.sources.source import Source
from tl_keras.errors import ConfigError
from tl_keras.evaluation.report import Report
from tl_keras.exporting.keras_file import save_classifier
from tl_keras.models.assemble import build_trunk
from tl_keras.models.backbones import find
from tl_keras.models.source import with_source
from tl_keras.run import DEFAULT_RUNS_DIR, Run
from tl_keras.training.class_weights import require_known_classes
from tl_keras.training.device import DevicePlan, plan_devices
from tl_keras.training.multi_worker import is_chief
from tl_keras.training.phase import PhaseResult
from tl_keras.unfinished import resumable_run
from tl_keras.workflows.begun import begun_with, prepared
from tl_keras.workflows.frozen import frozen_trunk
from tl_keras.workflows.new_classifier import (
    build,
    describe,
    run_name,
    with_absolute_paths,
    with_kept_exclusions,
    write_run,
)
from tl_keras.workflows.stored import StoredRun
from tl_keras.workflows.train_head import Trained, train_head
from tl_keras.workflows.train_whole import train_full, train_scratch
from tl_keras.workflows.workers import own_runs_dir

PHASES = {"frozen": "1-head", "full": "1-full", "scratch": "1-scratch"}
"""What the first phase is called, by `transfer`."""


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
    """Train a classifier, keep the best epoch, measure it on test.

    With `transfer: frozen` a head is trained on a frozen backbone: features are computed once per image and
    stored; without a head in the settings, one is chosen on them. With `full` all is trained in one step from
    pretrained weights, as `config.finetune` says; with `scratch` from random weights.

    With `config.baseline` the same network is also trained from scratch, and `report.transfer` tells which of
    them was better on val.

    A run that was stopped while it trained stays in `runs_dir/.unfinished`; the same call goes on from its
    last checkpoint, and ends with the same weights as if it had never been stopped.

    Args:
        data: Where the images are; instead of `config.data.source`.
        config: All settings; None for the defaults.
        name: The run's name; None for one made of the data's and the backbone's.
        runs_dir: The folder that the run is put into.
        overwrite: Replace a run of the same name.

    Raises:
        TlkError: Settings, images, weights or the run's folder are not as needed; nothing is left behind but
            what the same call can go on from.
        TrainingError: The loss failed; if that was after the best epoch, the run is there, with its weights.
        KeyboardInterrupt: Ctrl-C, while training after a checkpoint.
    """
    config = with_absolute_paths(_with_transfer(with_source(config or Config())), data)
    if config.head and config.head.standardize and not _trains_on_features(config):
        raise ConfigError(
            "head.standardize needs stored features: features: on, transfer: frozen, and no MixUp or CutMix."
        )
    keras.utils.set_random_seed(config.runtime.seed)
    device = plan_devices(config.runtime)
    source = read_source(config.data)
    require_known_classes(config, source.classes)
    wish = name or run_name(config)
    unused = ("train.", "baseline") if config.transfer == "full" else ("finetune.", "baseline")
    with (
        own_runs_dir(Path(runs_dir)) as folder,
        resumable_run(folder, wish, config, exact=name is not None, overwrite=overwrite, unused=unused) as (
            run,
            final,
        ),
    ):
        begun = begun_with(run, source, overwrite=overwrite)
        train = _train_frozen if config.transfer == "frozen" else _train_whole
        trained = train(config, device, source, begun, run, final)
        save_classifier(
            trained.classifier, trained.stored.info, run.phases_dir / PHASES[config.transfer] / "model.keras"
        )
        report = write_run(trained.stored, trained.classifier, trained.model, trained.reported)
    trained.phase.require_success(final)
    return FitResult(final, report, trained.phase)


def _with_transfer(config: Config) -> Config:
    """Return the settings for training from scratch, if that is asked for."""
    if config.transfer != "scratch":
        return config
    if config.model.weights not in ("pretrained", "none"):
        raise ConfigError(
            f"transfer: scratch starts from random weights, and model.weights is {config.model.weights!r}: "
            "leave one of them out."
        )
    return config.model_copy(update={"model": config.model.model_copy(update={"weights": "none"})})


def _trains_on_features(config: Config) -> bool:
    return config.stores_features and config.transfer == "frozen"


def _train_frozen(
    config: Config, device: DevicePlan, source: Source, begun: Prepared | None, run: Run, final: Path
) -> Trained:
    """Train a head on a frozen backbone."""
    # The network before the images: wrong settings and missing weights show within seconds.
    with device.strategy.scope():
        trunk = build_trunk(config.model, config.data.image_size)
    info = describe(trunk, config, source.classes, PHASES["frozen"])
    _say_plan(config, device)
    config = with_kept_exclusions(config, run, final)
    stored = StoredRun(run, config, info, begun or prepared(run, source, config))
    frozen = None
    if config.stores_features:
        frozen = frozen_trunk(trunk, config, info.geometry)
        frozen.compute([example for example in stored.prepared.examples if not example.problem])
        frozen.make_views(stored.prepared.split("train"), config.augment, config.runtime.seed)
        frozen.extractor.release()
        if is_chief():
            frozen.note_use(final)
    return train_head(stored, trunk, frozen, device, PHASES["frozen"])


def _train_whole(
    config: Config, device: DevicePlan, source: Source, begun: Prepared | None, run: Run, final: Path
) -> Trained:
    """Train head and backbone together."""
    full, phase = config.transfer == "full", PHASES[config.transfer]
    classifier, info = build(config, source.classes, device, phase, frozen=full)
    _say_plan(config, device)
    config = with_kept_exclusions(config, run, final)
    stored = StoredRun(run, config, info, begun or prepared(run, source, config))
    if full:
        return train_full(stored, classifier, device, run.phases_dir / phase, used_by=final)
    return train_scratch(stored, classifier, device, run.phases_dir / phase)


def _say_plan(config: Config, device: DevicePlan) -> None:
    backbone, weights = config.model.backbone, config.model.weights
    source = find(backbone).source
    say(f"{backbone}, {f'pretrained on {source}' if weights == 'pretrained' else f'weights: {weights}'}")
    say(f"on {device.description}")
    say(device.describe_phase(config.finetune if config.transfer == "full" else config.train))
    if weights == "none" and config.transfer != "scratch":
        warn("the backbone has random weights: its features are random, and nothing is transferred.")
