"""`fit`: a folder of labelled images becomes a tested classifier with a frozen backbone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import keras

from tl_keras.config import Config
from tl_keras.console import say, warn
from tl_keras.data.prepare import prepare
from tl_keras.data.sources.read import read_source
from tl_keras.data.sources.source import Source
from tl_keras.errors import ConfigError
from tl_keras.evaluation.report import Report
from tl_keras.exporting.keras_file import save_classifier
from tl_keras.features.frozen import FrozenPart
from tl_keras.inspection.inspected import inspected
from tl_keras.model_info import ModelInfo
from tl_keras.models.assemble import build_trunk
from tl_keras.models.backbones import find
from tl_keras.models.source import with_source
from tl_keras.run import DEFAULT_RUNS_DIR, Run, new_run
from tl_keras.training.device import DevicePlan, plan_devices
from tl_keras.training.multi_worker import is_chief
from tl_keras.training.phase import PhaseResult, require_known_classes
from tl_keras.workflows.frozen import frozen_trunk
from tl_keras.workflows.new_classifier import (
    describe,
    run_name,
    with_absolute_paths,
    with_kept_exclusions,
    write_run,
)
from tl_keras.workflows.stored import StoredRun
from tl_keras.workflows.train_head import train_head
from tl_keras.workflows.workers import own_runs_dir

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

    Features are computed once per image and stored; without a head in the settings, one is chosen on them.

    With `config.baseline` the same network is also trained from scratch, and `report.transfer` tells which of
    them was better on val.

    Args:
        data: Where the images are; instead of `config.data.source`.
        config: All settings; None for the defaults.
        name: The run's name; None for one made of the data's and the backbone's.
        runs_dir: The folder that the run is put into.
        overwrite: Replace a run of the same name.

    Raises:
        TlkError: Settings, images, weights or the run's folder are not as needed; nothing is left behind.
    """
    config = with_absolute_paths(with_source(config or Config()), data)
    if config.head and config.head.standardize and not config.stores_features:
        raise ConfigError("head.standardize needs stored features: features: on, and no MixUp or CutMix.")
    keras.utils.set_random_seed(config.runtime.seed)
    device = plan_devices(config.runtime)
    source = read_source(config.data)
    require_known_classes(config, source.classes)
    wish = name or run_name(config)
    with (
        own_runs_dir(Path(runs_dir)) as folder,
        new_run(folder, wish, exact=name is not None, overwrite=overwrite) as (run, final),
    ):
        # The network before the images: wrong settings and missing weights show within seconds.
        with device.strategy.scope():
            trunk = build_trunk(config.model, config.data.image_size)
        info = describe(trunk, config, source.classes, PHASE)
        _say_plan(config, device)
        config = with_kept_exclusions(config, run, final)
        stored, frozen = _prepared(run, trunk, source, config, info)
        trained = train_head(stored, trunk, frozen, device, PHASE)
        if frozen is not None and is_chief():
            frozen.note_use(final)
        save_classifier(trained.classifier, info, run.phases_dir / PHASE / "model.keras")
        report = write_run(trained.stored, trained.classifier, trained.model, trained.reported)
    return FitResult(final, report, trained.phase)


def _prepared(
    run: Run, trunk: keras.Model, source: Source, config: Config, info: ModelInfo
) -> tuple[StoredRun, FrozenPart | None]:
    """Inspect the images and decide their splits; where features are stored, compute them."""
    seed = config.runtime.seed
    prepared = prepare(source, config.data, seed, lambda examples: inspected(examples, config))
    stored = StoredRun(run, config, info, prepared)
    if not config.stores_features:
        return stored, None
    frozen = frozen_trunk(trunk, config, info.geometry)
    frozen.compute([example for example in prepared.examples if not example.problem])
    frozen.make_views(prepared.split("train"), config.augment, seed)
    frozen.extractor.release()
    return stored, frozen


def _say_plan(config: Config, device: DevicePlan) -> None:
    backbone, weights = config.model.backbone, config.model.weights
    source = find(backbone).source
    say(f"{backbone}, {f'pretrained on {source}' if weights == 'pretrained' else f'weights: {weights}'}")
    say(f"on {device.description}")
    say(device.describe_phase(config.train))
    if weights == "none":
        warn("the frozen backbone has random weights: its features are random, and nothing is transferred.")
