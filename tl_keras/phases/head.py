"""The first phase: a head on a frozen network, trained on stored features or on whole images."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tl_keras.config.loading import load_config
from tl_keras.config.schema import Config, HeadConfig, PhaseConfig
from tl_keras.core.console import say, warn
from tl_keras.core.files import write_text
from tl_keras.data.batches import evaluation_batches
from tl_keras.data.loaders import Loader
from tl_keras.data.sources.source import ImageSource
from tl_keras.distributed.collectives import broadcast
from tl_keras.distributed.devices import DevicePlan
from tl_keras.errors import TrainingError
from tl_keras.evaluation.measure import probabilities
from tl_keras.features.cached_backbone import CachedBackbone, cached_trunk
from tl_keras.models.classifier import build_trunk, head_of, with_head
from tl_keras.phases.build import describe, say_plan
from tl_keras.phases.scratch_baseline import compare_with_scratch
from tl_keras.runs.dataset import Dataset, prepared
from tl_keras.runs.folder import PHASES, RunFolder
from tl_keras.runs.run import Run
from tl_keras.runs.settings import with_kept_exclusions
from tl_keras.training.heads.search import search_head
from tl_keras.training.heads.standardize import fold, on_standardized
from tl_keras.training.heads.statistics import column_statistics
from tl_keras.training.spec import PhaseResult, TrainSpec
from tl_keras.training.trainer import train_phase

SEARCH_FILE = "head_search.csv"

CONFIG_FILE = "config.yaml"


@dataclass(frozen=True, slots=True)
class Trained:
    """A classifier after its first phase.

    Attributes:
        stored: Its run, with the settings that were chosen.
        classifier: All of it.
        model: The part that takes the rows of `reported`: the classifier for images, its head for features.
        reported: The images or features of the reported split.
        phase: How the training went.
    """

    stored: Run
    classifier: Any
    model: Any
    reported: Loader
    phase: PhaseResult


def train_head(
    stored: Run, trunk: keras.Model, frozen: CachedBackbone | None, device: DevicePlan, phase: str
) -> Trained:
    """Choose a head where the settings leave it open, put it on `trunk` and train it.

    What was chosen is written down, for a training that goes on after an interruption.

    Args:
        stored: The run: settings, and images with their splits.
        trunk: The network below the head.
        frozen: Its stored features of all images; None to train on whole images.
        device: What to train on.
        phase: Name of the phase.
    """
    folder = stored.run.phases_dir / phase
    with stored.seen("train", frozen) as train, stored.seen("val", frozen) as val:
        config = _with_kept_head(stored.config, train if frozen else None, folder)
        stored = replace(stored, config=config)
        assert config.head is not None
        # Anew, so that a head that is read from the settings starts as one that was searched for.
        keras.utils.set_random_seed(config.runtime.seed)
        with device.strategy.scope():
            classifier = with_head(trunk, config.head, classes=len(stored.info.labels), task=stored.info.task)
            model = head_of(classifier) if frozen else classifier
        spec = TrainSpec(model, train, val, config, config.train, device, short_steps=frozen is not None)
        done = (_train_standardized if config.head.standardize else train_phase)(spec, folder)
        if config.baseline == "scratch":
            try:
                _train_baseline(stored, model, val, frozen, device, done, folder)
            except TrainingError as error:
                warn(f"the baseline failed, so there is nothing to compare with: {error}")
    reported = stored.seen(stored.prepared.reported_split, frozen)
    return Trained(stored, classifier, model, reported, done)


def _with_kept_head(config: Config, features: Loader | None, folder: Path) -> Config:
    """Return the settings with the head that an interrupted training was begun with, or with a new one."""
    file = folder / CONFIG_FILE
    if file.is_file():
        kept = load_config(file)
        config = config.model_copy(update={"head": kept.head, "train": kept.train})
    else:
        config = _with_head(config, features, folder)
    config = _as_chief(config)
    write_text(file, config.to_yaml())
    return config


def _as_chief(config: Config) -> Config:
    """Return the settings with the chief's choice of a head: other processors may round to another one."""
    mine = config.model_dump_json(include={"head", "train"}).encode()
    chosen = json.loads(broadcast([np.frombuffer(mine, np.uint8)])[0].tobytes())
    return config.model_copy(
        update={"head": HeadConfig(**chosen["head"]), "train": PhaseConfig(**chosen["train"])}
    )


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
    done = train_phase(replace(spec, model=model), folder)
    fold(spec.model, mean, deviation)
    return done


def _train_baseline(
    stored: Run, model: Any, val: Loader, frozen: CachedBackbone | None, device: DevicePlan,
    done: PhaseResult, folder: Path,
) -> None:  # fmt: skip
    """Train the same network from scratch, for as long as features and head take, and compare."""
    ours, _ = probabilities(model, evaluation_batches(val, stored.config.train.images_per_step))
    seconds = done.seconds
    if frozen is not None:
        seconds += len(stored.prepared.split("train")) * frozen.seconds_per_image()
    with stored.loader("train") as train, stored.loader("val") as val_images:
        compare_with_scratch(stored.config, ours, train, val_images, device, seconds, folder)


def trains_on_features(config: Config) -> bool:
    return config.stores_features and config.transfer == "frozen"


def train_frozen(
    config: Config,
    device: DevicePlan,
    source: ImageSource,
    begun: Dataset | None,
    run: RunFolder,
    final: Path,
) -> Trained:
    """Train a head on a frozen backbone."""
    # The network before the images: wrong settings and missing weights show within seconds.
    with device.strategy.scope():
        trunk = build_trunk(config.model, config.data.image_size)
    info = describe(trunk, config, source.classes, PHASES["frozen"])
    say_plan(config, device)
    config = with_kept_exclusions(config, run, final)
    stored = Run(run, config, info, begun or prepared(run, source, config))
    frozen = None
    if config.stores_features:
        frozen = cached_trunk(trunk, config, info.geometry)
        frozen.compute([example for example in stored.prepared.examples if not example.problem])
        frozen.compute_views(stored.prepared.split("train"))
        frozen.extractor.release()
        frozen.remember_user(final)
    return train_head(stored, trunk, frozen, device, PHASES["frozen"])
