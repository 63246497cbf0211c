"""One training phase: compile, fit with early stopping, end with the best epoch's weights."""

from __future__ import annotations

import importlib.util
import json
import time
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from tl_keras.config import Config, PhaseConfig
from tl_keras.data.pipelines import Loader, evaluation_batches, steps_per_epoch, training_batches
from tl_keras.errors import DataError, MissingExtra
from tl_keras.files import write_text
from tl_keras.model_info import THRESHOLD, Task
from tl_keras.training.device import DevicePlan
from tl_keras.training.optimizers import better_is, make_optimizer, schedule_callbacks
from tl_keras.training.reporter import Reporter


@dataclass(frozen=True, slots=True)
class PhaseResult:
    """How a phase went; `summary.json` of its folder.

    Attributes:
        epochs: Epochs trained.
        best_epoch: The epoch (from 1) whose weights were kept.
        val_loss: Loss on val in that epoch, as trained (with label smoothing when asked for).
        val_accuracy: Accuracy on val in that epoch.
        seconds: Duration of the training alone.
    """

    epochs: int
    best_epoch: int
    val_loss: float
    val_accuracy: float
    seconds: float


def train_phase(
    classifier: Any,
    train: Loader,
    val: Loader,
    config: Config,
    phase: PhaseConfig,
    device: DevicePlan,
    folder: Path,
) -> PhaseResult:
    """Train what is trainable in `classifier`, in place.

    Afterwards it has the weights of the best epoch by `phase.monitor`; `folder` holds `history.csv` and
    `summary.json`.

    Raises:
        TrainingError: The loss is no number any more.
        DataError: An image could be read when it was checked, and cannot any more.
    """
    folder.mkdir(parents=True, exist_ok=True)
    steps = steps_per_epoch(len(train), phase.batch_size, device.replicas)
    if not steps:
        raise DataError(f"{len(train)} training images are too few for {device.replicas} replicas.")
    with device.strategy.scope():
        _compile(classifier, phase, config.data.task, device, steps)
    best = keras.callbacks.EarlyStopping(
        monitor=phase.monitor,
        mode=better_is(phase),
        patience=phase.early_stopping or phase.epochs,
        restore_best_weights=True,
    )
    reporter = Reporter(phase.epochs, steps)
    started = time.monotonic()
    try:
        history = classifier.fit(
            training_batches(
                train,
                config.augment,
                batch_size=phase.batch_size,
                epochs=phase.epochs,
                seed=config.runtime.seed,
                class_weights=_class_weights(train, phase),
                replicas=device.replicas,
            ),
            epochs=phase.epochs,
            steps_per_epoch=steps,
            validation_data=evaluation_batches(val, phase.batch_size, device.replicas),
            callbacks=[*schedule_callbacks(phase), best, *_logs(config, folder), reporter],
            shuffle=False,
            verbose=0,
        ).history
    except tf.errors.OpError as error:
        raise (train.failure or val.failure or error) from error
    finally:
        reporter.close()
    result = _result(history, best.best_epoch, time.monotonic() - started)
    write_text(folder / "summary.json", json.dumps(asdict(result), indent=2) + "\n")
    return result


def _compile(classifier: Any, phase: PhaseConfig, task: Task, device: DevicePlan, steps: int) -> None:
    multilabel = task == "multilabel"
    loss = keras.losses.BinaryCrossentropy if multilabel else keras.losses.CategoricalCrossentropy
    classifier.compile(
        optimizer=make_optimizer(phase, steps),
        loss=loss(label_smoothing=phase.label_smoothing),
        metrics=[keras.metrics.MeanMetricWrapper(_all_right if multilabel else _right, name="accuracy")],
        jit_compile=device.jit_compile,
    )


def _right(targets: Any, probabilities: Any) -> Any:
    """Return float32 [n]: 1 where the most probable class is the target's."""
    return keras.metrics.categorical_accuracy(targets, probabilities)


def _all_right(targets: Any, probabilities: Any) -> Any:
    """Return bool [n]: whether all classes of an image are right, as the final evaluation counts."""
    chosen = keras.ops.cast(probabilities >= THRESHOLD, targets.dtype)
    return keras.ops.all(chosen == targets, axis=-1)


def _logs(config: Config, folder: Path) -> list[Any]:
    """Return the callbacks that write into the phase's folder."""
    callbacks: list[Any] = [keras.callbacks.CSVLogger(folder / "history.csv")]
    if config.runtime.tensorboard:
        if importlib.util.find_spec("tensorboard") is None:
            raise MissingExtra("runtime.tensorboard", "tensorboard")
        callbacks.append(keras.callbacks.TensorBoard(folder / "tensorboard"))
    return callbacks


def _result(history: dict[str, list[float]], best_epoch: int, seconds: float) -> PhaseResult:
    return PhaseResult(
        epochs=len(history["loss"]),
        best_epoch=best_epoch + 1,
        val_loss=history["val_loss"][best_epoch],
        val_accuracy=history["val_accuracy"][best_epoch],
        seconds=round(seconds, 2),
    )


def _class_weights(loader: Loader, phase: PhaseConfig) -> list[float] | None:
    """Return a weight per class such that every class counts the same and the mean weight is 1."""
    if phase.class_weight == "none":
        return None
    counts = Counter(example.label for example in loader.examples)
    return [len(loader) / (len(loader.classes) * counts[name]) for name in loader.classes]
