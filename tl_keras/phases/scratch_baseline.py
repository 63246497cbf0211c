"""The baseline of `fit`: the same network from scratch, in the time that the transferred one had."""

from __future__ import annotations

import json
from pathlib import Path

from tl_keras.config.schema import Config, PhaseConfig, ScheduleConfig
from tl_keras.core.console import say
from tl_keras.core.files import write_text
from tl_keras.core.types import Floats
from tl_keras.data.batches import evaluation_batches
from tl_keras.data.loaders import ImageLoader
from tl_keras.distributed.devices import DevicePlan
from tl_keras.evaluation.measure import probabilities
from tl_keras.evaluation.transfer_gain import TransferGain, transfer_gain
from tl_keras.phases.build import build
from tl_keras.runs.folder import GAIN_FILE
from tl_keras.training.spec import TrainSpec
from tl_keras.training.trainer import train

MAX_EPOCHS = 10_000
LEARNING_RATE = 1e-3
"""Keras's default for Adam, right for most networks; a schedule would need the number of steps beforehand."""


def compare_with_scratch(
    config: Config,
    ours: Floats,
    images: ImageLoader,
    val: ImageLoader,
    device: DevicePlan,
    seconds: float,
    folder: Path,
) -> TransferGain:
    """Train the network of `config` from random weights for so many seconds, and compare both on val.

    Args:
        config: The settings of the transferred classifier; data, augmentation, head and batch size hold for
            both.
        ours: What the transferred classifier says to `val`, float32 [n, classes].
        images: What both are trained on.
        val: The images both are chosen by and compared on.
        device: What to train on.
        seconds: The time that the transferred one took, features included.
        folder: Its phase's folder; the baseline's history and its comparison go into `baseline/` in it.
    """
    say(f"baseline: the same network from scratch, for {seconds:.0f} s")
    random = config.model_copy(update={"model": config.model.model_copy(update={"weights": "none"})})
    scratch = build(random, len(val.classes), device, frozen=False)
    phase = PhaseConfig(
        epochs=MAX_EPOCHS,
        batch_size=config.train.batch_size,
        learning_rate=LEARNING_RATE,
        schedule=ScheduleConfig(kind="constant"),
        class_weight=config.train.class_weight,
        early_stopping=0,
        monitor=config.train.monitor,
    )
    spec = TrainSpec.from_config(config, phase, device, scratch, images, val)
    train(spec, (folder / GAIN_FILE).parent, resumable=False, at_most=seconds)
    epochs = int(scratch.optimizer.iterations) / spec.steps_per_epoch(phase.images_per_step)
    theirs, targets = probabilities(scratch, evaluation_batches(val, config.train.images_per_step))
    gain = transfer_gain(ours, theirs, targets, config.data.task, seconds=seconds, epochs=epochs)
    write_text(folder / GAIN_FILE, json.dumps(gain.to_dict(), indent=2) + "\n")
    return gain
