"""Phase 1: a head on a frozen backbone, trained on cached features or on whole images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras

from tl_keras.config.loading import load_config
from tl_keras.config.schema import Config, HeadConfig
from tl_keras.core.console import say, warn
from tl_keras.core.files import write_text
from tl_keras.data.batches import evaluation_batches
from tl_keras.data.loaders import Loader
from tl_keras.distributed.devices import DevicePlan
from tl_keras.errors import TrainingError
from tl_keras.evaluation.measure import probabilities
from tl_keras.features.cached_backbone import CachedBackbone, cached_trunk
from tl_keras.models.classifier import build_trunk, head_of, with_head
from tl_keras.phases.build import say_plan
from tl_keras.phases.scratch_baseline import compare_with_scratch
from tl_keras.phases.trained import Trained
from tl_keras.runs.new_run import NewRun
from tl_keras.runs.run import Run
from tl_keras.runs.worker_copies import with_head_of_chief
from tl_keras.training.heads.search import search_head
from tl_keras.training.heads.standardize import fold, on_standardized
from tl_keras.training.heads.statistics import column_statistics
from tl_keras.training.spec import PhaseResult, TrainSpec
from tl_keras.training.trainer import train

SEARCH_FILE = "head_search.csv"
CONFIG_FILE = "config.yaml"


def train_frozen(new: NewRun) -> Trained:
    """Train a head on a frozen backbone: choose it where the settings leave it open."""
    # The network before the images: wrong settings and missing weights show within seconds.
    with new.device.strategy.scope():
        trunk = build_trunk(new.config.model, new.config.data.image_size)
    say_plan(new.config, new.device)
    run = new.prepare(trunk)
    cached = _cached_features(run, trunk) if new.config.stores_features else None
    return _train_head(run, trunk, cached, new.device, new.phase_folder)


def _cached_features(run: Run, trunk: keras.Model) -> CachedBackbone:
    """Compute the features of all images, and of the views of those that are trained on."""
    cached = cached_trunk(trunk, run.config, run.info.geometry)
    cached.compute(run.dataset.used)
    cached.compute_views(run.dataset.split("train"))
    cached.extractor.release()
    cached.remember_user(run.destination)
    return cached


def _train_head(
    run: Run, trunk: keras.Model, cached: CachedBackbone | None, device: DevicePlan, folder: Path
) -> Trained:
    """Choose a head, put it on `trunk` and train it; on whole images where nothing is cached.

    What was chosen is written down, for a training that is resumed after an interruption.
    """
    with run.loader("train", cached) as train_rows, run.loader("val", cached) as val_rows:
        run = replace(run, config=_with_kept_head(run.config, train_rows if cached else None, folder))
        config, head = run.config, run.config.head
        assert head is not None
        # Again, so that a head that is read from the settings starts as one that was searched for.
        keras.utils.set_random_seed(config.runtime.seed)
        with device.strategy.scope():
            classifier = with_head(trunk, head, classes=len(run.info.labels), task=run.info.task)
            model = head_of(classifier) if cached else classifier
        spec = TrainSpec.from_config(config, config.train, device, model, train_rows, val_rows)
        spec = replace(spec, short_steps=cached is not None)
        result = (_train_standardized if head.standardize else train)(spec, folder)
        if config.baseline == "scratch":
            _train_baseline(run, model, val_rows, cached, device, result, folder)
    reported = run.loader(run.dataset.reported_split, cached)
    return Trained(run, classifier, model, reported, result)


def _with_kept_head(config: Config, features: Loader | None, folder: Path) -> Config:
    """Return the settings with the head that an interrupted training started with, or with a new one."""
    file = folder / CONFIG_FILE
    if file.is_file():
        kept = load_config(file)
        config = config.model_copy(update={"head": kept.head, "train": kept.train})
    else:
        config = _with_head(config, features, folder)
    config = with_head_of_chief(config)
    write_text(file, config.to_yaml())
    return config


def _with_head(config: Config, features: Loader | None, folder: Path) -> Config:
    """Return the settings with a head: as it is asked for, or the best on `features`, or a linear one."""
    if config.head is not None:
        return config
    search = search_head(features, config) if features is not None else None
    if search is None:
        why = "too few images to choose one" if features is not None else "choosing one needs stored features"
        say(f"head: linear; {why}")
        return config.model_copy(update={"head": HeadConfig()})
    say(search.describe())
    write_text(folder / SEARCH_FILE, search.to_csv())
    return search.applied_to(config)


def _train_standardized(spec: TrainSpec, folder: Path) -> PhaseResult:
    mean, deviation = column_statistics(spec.train)
    with spec.device.strategy.scope():
        model = on_standardized(spec.model, mean, deviation)
    result = train(replace(spec, model=model), folder)
    fold(spec.model, mean, deviation)
    return result


def _train_baseline(
    run: Run, model: Any, val: Loader, cached: CachedBackbone | None, device: DevicePlan,
    result: PhaseResult, folder: Path,
) -> None:  # fmt: skip
    """Train the same network from scratch, for as long as features and head took, and compare."""
    ours, _ = probabilities(model, evaluation_batches(val, run.config.train.images_per_step))
    seconds = result.seconds
    if cached is not None:
        seconds += len(run.dataset.split("train")) * cached.seconds_per_image()
    try:
        with run.image_loader("train") as images, run.image_loader("val") as val_images:
            compare_with_scratch(run.config, ours, images, val_images, device, seconds, folder)
    except TrainingError as error:
        warn(f"the baseline failed, so there is nothing to compare with: {error}")
