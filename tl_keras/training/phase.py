"""One training phase: compile, fit with early stopping, end with the best epoch's weights."""

from __future__ import annotations

import importlib.util
import json
import math
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from tl_keras.config import Config, PhaseConfig
from tl_keras.console import say
from tl_keras.data.pipelines import (
    Labelled,
    evaluation_batches,
    steps_per_epoch,
    training_batches,
)
from tl_keras.data.sources.source import listed
from tl_keras.errors import ConfigError, DataError, MissingExtra, did_you_mean
from tl_keras.files import write_text
from tl_keras.model_info import THRESHOLD, Task
from tl_keras.training.checkpoint import Checkpoint
from tl_keras.training.device import DevicePlan
from tl_keras.training.history import History
from tl_keras.training.multi_worker import any_worker, require_same_images
from tl_keras.training.optimizers import better_is, make_optimizer, schedule_callbacks
from tl_keras.training.reporter import Reporter

MOST_TOGETHER = 64


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
    model: Any,
    train: Labelled,
    val: Labelled,
    config: Config,
    phase: PhaseConfig,
    device: DevicePlan,
    folder: Path,
    *,
    resumable: bool = False,
    at_most: float = math.inf,
    short_steps: bool = False,
) -> PhaseResult:
    """Train what is trainable in `model`, in place.

    Afterwards it has the weights of the best epoch by `phase.monitor`; `folder` holds `history.csv` and
    `summary.json`.

    Args:
        model: A classifier, or the upper part of one, which is trained on stored features.
        train: What to train on, images or features.
        val: The same for the images that early stopping and the choice of the best epoch look at.
        config: For augmentation, sampling, task and seed.
        phase: The settings of this phase.
        device: What to train on.
        folder: Where the phase's files go.
        resumable: Write checkpoints into `folder`, and go on from the newest one there.
        short_steps: Whether a step takes less time than Keras's look between two: then many are done at once.
        at_most: Seconds after the first batch, after which the training ends with the batch.

    Raises:
        TrainingError: The loss is no number any more.
        DataError: An image could be read when it was checked, and cannot any more; or the chief has others.
        KeyboardInterrupt: Ctrl-C; with `resumable` after a checkpoint.
    """
    folder.mkdir(parents=True, exist_ok=True)
    require_same_images([example.sha256 for example in (*train.examples, *val.examples)])
    steps = steps_per_epoch(len(train), phase.images_per_step, device.replicas)
    if not steps:
        raise DataError(f"{len(train)} training images are too few for {device.replicas} replicas.")
    with device.strategy.scope():
        _compile(
            model,
            phase,
            config.data.task,
            device,
            steps,
            together=_steps_together(steps) if short_steps and device.replicas == 1 else 1,
        )
    best = keras.callbacks.EarlyStopping(
        monitor=phase.monitor,
        mode=better_is(phase),
        patience=phase.early_stopping or phase.epochs,
        restore_best_weights=True,
    )
    history = History(folder / "history.csv")
    reporter = Reporter(phase.epochs if math.isinf(at_most) else None, steps)
    schedule = schedule_callbacks(phase)
    checkpoint = None
    if resumable:
        minutes = config.runtime.checkpoint_minutes
        on = f"{device.precision}, {device.replicas} replicas"
        checkpoint = Checkpoint(folder / "checkpoints", on, minutes, history, [*schedule, best])
    callbacks = [*schedule, *_averaging(phase), best, TimeLimit(at_most), *_tensorboard(config, folder)]
    validation = evaluation_batches(val, phase.images_per_step, device.replicas, device.part)
    started = time.monotonic()
    try:
        epoch, batch = (
            checkpoint.prepare(model, device.distributed(validation.take(1))) if checkpoint else (0, 0)
        )
        batches = training_batches(
            train,
            config.augment,
            batch_size=phase.images_per_step,
            epochs=phase.epochs,
            seed=config.runtime.seed,
            sampling=config.data.sampling,
            class_weights=class_weights(train, phase),
            replicas=device.replicas,
            part=device.part,
            # One batch stays when all are done: Keras looks at one before it starts.
            start=min(epoch * steps + batch, phase.epochs * steps - 1),
        )
        model.fit(
            device.distributed(batches),
            epochs=phase.epochs,
            initial_epoch=epoch,
            steps_per_epoch=steps,
            validation_data=device.distributed(validation),
            callbacks=[*callbacks, history, reporter, *([checkpoint] if checkpoint else [])],
            shuffle=False,
            verbose=0,
        )
    except tf.errors.OpError as error:
        raise (train.failure or val.failure or error) from error
    finally:
        reporter.close()
        if checkpoint:
            checkpoint.close()
    seconds = checkpoint.seconds if checkpoint else time.monotonic() - started
    result = _result(history.rows, best.best_epoch, seconds)
    say(
        f"kept: the weights of epoch {result.best_epoch} of {result.epochs}, the best by {phase.monitor} "
        f"(val accuracy {result.val_accuracy:.4f}, val loss {result.val_loss:.4f})"
    )
    write_text(folder / "summary.json", json.dumps(asdict(result), indent=2) + "\n")
    return result


class TimeLimit(keras.callbacks.Callback):
    """Ends the training so many seconds after the first batch, for which TensorFlow has to get ready."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds
        self._end = math.inf

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        now = time.monotonic()
        if math.isinf(self._end):
            self._end = now + self._seconds
        # All workers end with the same batch; without a limit they need not ask each other.
        if not math.isinf(self._seconds) and any_worker(now >= self._end):
            self.model.stop_training = True


def _steps_together(steps: int) -> int:
    """Return how many steps TensorFlow does between two looks of Keras.

    It divides the steps of an epoch, so that no call reaches into the next one. Several replicas cannot do
    more than one: Keras's loop over several fails on a distributed iterator.
    """
    return max(number for number in range(1, MOST_TOGETHER + 1) if steps % number == 0)


def _compile(
    classifier: Any, phase: PhaseConfig, task: Task, device: DevicePlan, steps: int, *, together: int
) -> None:
    multilabel = task == "multilabel"
    loss = keras.losses.BinaryCrossentropy if multilabel else keras.losses.CategoricalCrossentropy
    classifier.compile(
        optimizer=make_optimizer(phase, steps),
        loss=loss(label_smoothing=phase.label_smoothing),
        metrics=[keras.metrics.MeanMetricWrapper(_all_right if multilabel else _right, name="accuracy")],
        jit_compile=device.jit_compile,
        steps_per_execution=together,
    )


def _right(targets: Any, probabilities: Any) -> Any:
    """Return float32 [n]: 1 where the most probable class is the target's."""
    return keras.metrics.categorical_accuracy(targets, probabilities)


def _all_right(targets: Any, probabilities: Any) -> Any:
    """Return bool [n]: whether all classes of an image are right, as the final evaluation counts."""
    chosen = keras.ops.cast(probabilities >= THRESHOLD, targets.dtype)
    return keras.ops.all(chosen == targets, axis=-1)


def _averaging(phase: PhaseConfig) -> list[Any]:
    """Return the callback that puts the averaged weights into the model at the end of every epoch."""
    return [keras.callbacks.SwapEMAWeights(swap_on_epoch=True)] if phase.ema else []


def _tensorboard(config: Config, folder: Path) -> list[Any]:
    if not config.runtime.tensorboard:
        return []
    if importlib.util.find_spec("tensorboard") is None:
        raise MissingExtra("runtime.tensorboard", "tensorboard")
    return [keras.callbacks.TensorBoard(folder / "tensorboard")]


def _result(rows: list[dict[str, float]], best_epoch: int, seconds: float) -> PhaseResult:
    best = rows[best_epoch]
    return PhaseResult(len(rows), best_epoch + 1, best["val_loss"], best["val_accuracy"], round(seconds, 2))


def class_weights(loader: Labelled, phase: PhaseConfig) -> list[float] | None:
    """Return a weight per class, as the settings say; None where all weigh the same."""
    if isinstance(phase.class_weight, dict):
        return [phase.class_weight.get(name, 1.0) for name in loader.classes]
    return balancing_weights(loader) if phase.class_weight == "balanced" else None


def balancing_weights(loader: Labelled) -> list[float]:
    """Return a weight per class such that every class counts the same and the mean weight of images is 1."""
    counts = Counter(example.label for example in loader.examples)
    return [len(loader) / (len(loader.classes) * counts[name]) for name in loader.classes]


def require_known_classes(config: Config, classes: Sequence[str]) -> None:
    """Refuse weights of classes that there are not, and weights that leave nothing to learn.

    Raises:
        ConfigError: `class_weight` of a phase has such.
    """
    for section, phase in (("train", config.train), ("finetune", config.finetune)):
        weights = phase.class_weight
        if not isinstance(weights, dict):
            continue
        unknown = [name for name in weights if name not in classes]
        if unknown:
            raise ConfigError(
                f"{section}.class_weight: there is no class {unknown[0]!r}."
                f"{did_you_mean(unknown[0], classes)} The classes are: {listed(classes)}."
            )
        if not any(weights.get(name, 1.0) for name in classes):
            raise ConfigError(f"{section}.class_weight: every class weighs 0, so nothing can be learnt.")
