"""One training phase: compile, fit with early stopping, end with the best epoch's weights."""

from __future__ import annotations

import importlib.util
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from tl_keras.config import Config, PhaseConfig
from tl_keras.console import say, warn
from tl_keras.data.pipelines import (
    WHOLE,
    Labelled,
    evaluation_batches,
    steps_per_epoch,
    training_batches,
)
from tl_keras.errors import ConfigError, DataError, MissingExtra, TrainingError
from tl_keras.files import remove, write_text
from tl_keras.model_info import THRESHOLD
from tl_keras.training.best import Best
from tl_keras.training.checkpoint import Checkpoint
from tl_keras.training.class_weights import class_weights
from tl_keras.training.device import DevicePlan
from tl_keras.training.history import History
from tl_keras.training.multi_worker import any_worker, digest_of, require_same_images
from tl_keras.training.optimizers import make_optimizer, schedule_callbacks
from tl_keras.training.reporter import Reporter
from tl_keras.training.state import State, assign, newest, of_chief, values_of
from tl_keras.training.update_rules import carry_over

MOST_TOGETHER = 64


def _nothing() -> None: ...


@dataclass(frozen=True, slots=True)
class Stage:
    """Part of a phase: `begin` decides what of the model trains in it."""

    epochs: int
    begin: Callable[[], None] = _nothing


@dataclass(frozen=True, slots=True)
class Lesson:
    """What is trained on what, by which settings.

    Attributes:
        model: A classifier, or the upper part of one, which is trained on stored features.
        train: What to train on, images or features.
        val: The same for the images that early stopping and the choice of the best epoch look at.
        config: For augmentation, sampling, task and seed.
        phase: The settings of this phase.
        device: What to train on.
        stages: What trains for how long, one after another; None for `phase.epochs` of all that is trainable.
        short_steps: Whether a step takes less time than Keras's look between two: then many are done at once.
        layer_rates: Path of a variable -> by how much its learning rate is multiplied.
        l2_sp: How much variables are held back at what they are.
        held_back: Their paths.
    """

    model: Any
    train: Labelled
    val: Labelled
    config: Config
    phase: PhaseConfig
    device: DevicePlan
    stages: Sequence[Stage] | None = None
    short_steps: bool = False
    layer_rates: Mapping[str, float] = field(default_factory=dict)
    l2_sp: float = 0.0
    held_back: frozenset[str] = frozenset()

    @property
    def all_stages(self) -> Sequence[Stage]:
        return self.stages or [Stage(self.phase.epochs)]

    @property
    def hashes(self) -> list[str]:
        """Of the images trained on and judged by."""
        return [example.sha256 for example in (*self.train.examples, *self.val.examples)]

    @property
    def epochs(self) -> int:
        return sum(stage.epochs for stage in self.all_stages)


@dataclass(frozen=True, slots=True)
class BatchSize:
    """How many images make a step, and how many steps an update of the weights."""

    images: int
    accumulate: int

    def halved(self) -> BatchSize:
        """Return half as many images, of which twice as many steps make an update."""
        return BatchSize(max(1, self.images // 2), self.accumulate * 2)


@dataclass(frozen=True, slots=True)
class PhaseResult:
    """How a phase went; `summary.json` of its folder.

    Attributes:
        epochs: Epochs trained.
        best_epoch: The epoch (from 1) whose weights were kept.
        val_loss: Loss on val in that epoch, as trained (with label smoothing when asked for).
        val_accuracy: Accuracy on val in that epoch.
        seconds: Duration of the training alone.
        failure: Why it ended before its time, for people; empty when it did not.
    """

    epochs: int
    best_epoch: int
    val_loss: float
    val_accuracy: float
    seconds: float
    failure: str = ""

    def require_success(self, kept_in: Path) -> None:
        """Raise what went wrong, after all has been written.

        Raises:
            TrainingError: The phase failed after its best epoch.
        """
        if self.failure:
            raise TrainingError(
                f"{self.failure}\n"
                f"The weights of epoch {self.best_epoch}, the best until then, are in {kept_in}."
            )


def train_phase(
    lesson: Lesson, folder: Path, *, resumable: bool = True, at_most: float = math.inf
) -> PhaseResult:
    """Train what is trainable in the lesson's model, in place.

    Afterwards it has the weights of the best epoch by `phase.monitor`; `folder` holds `history.csv` and
    `summary.json`. A loss that is no number, or grows beyond all bounds, ends the phase: with the weights of
    the best epoch and `failure` if there is one.

    Args:
        lesson: What to train on what.
        folder: Where the phase's files go.
        resumable: Write checkpoints into `folder`, and go on from the newest one there.
        at_most: Seconds after the first batch, after which the training ends with the batch.

    Raises:
        TrainingError: The loss failed before the first epoch was over.
        DataError: An image could be read when it was checked, and cannot any more; or the chief has others.
        KeyboardInterrupt: Ctrl-C; with `resumable` after a checkpoint.
    """
    folder.mkdir(parents=True, exist_ok=True)
    phase = lesson.phase
    if phase.batch_size == "auto" and lesson.device.part != WHOLE:
        raise ConfigError("batch_size: auto is for a single process: one worker cannot halve it for all.")
    require_same_images(lesson.hashes)
    state = of_chief(newest(folder / "checkpoints")) if resumable else None
    size = BatchSize(phase.images_per_step, phase.accumulate)
    if state is not None:
        size = BatchSize(state.images_per_step, state.accumulate)
    begun_with = values_of(lesson.model.variables) if phase.batch_size == "auto" else []
    while True:
        try:
            return _Training(lesson, size, folder, state, resumable=resumable, at_most=at_most).run()
        except tf.errors.ResourceExhaustedError:
            if phase.batch_size != "auto" or size.images <= lesson.device.replicas or state is not None:
                raise  # what has been trained with this size is not thrown away
            size = size.halved()
            warn(f"out of memory: now {size.images} images per step, {size.accumulate} steps per update")
            assign(lesson.model.variables, begun_with)
            remove(folder / "checkpoints")


class _Training:
    """A phase with one batch size."""

    def __init__(
        self,
        lesson: Lesson,
        size: BatchSize,
        folder: Path,
        state: State | None,
        *,
        resumable: bool,
        at_most: float,
    ) -> None:
        self._lesson = lesson
        self._size = size
        self._folder = folder
        self._steps = steps_per_epoch(len(lesson.train), size.images, lesson.device.replicas)
        if not self._steps:
            found = len(lesson.train)
            raise DataError(f"{found} training images are too few for {lesson.device.replicas} replicas.")
        fewest = self._steps * min(stage.epochs for stage in lesson.all_stages)
        if fewest < size.accumulate:
            raise ConfigError(
                f"accumulate: {size.accumulate} steps make an update, and there are only {fewest}: nothing "
                "would be learnt. Lower it, or train for more epochs."
            )
        epochs = None if math.isfinite(at_most) else lesson.epochs
        self._best = Best(lesson.phase)
        self._history = History(folder / "history.csv")
        self._reporter = Reporter(
            epochs, self._steps, _of_knowing_nothing(lesson), lesson.phase.learning_rate
        )
        images_per_update = size.images * size.accumulate
        watched = [*schedule_callbacks(lesson.phase, images_per_update=images_per_update), self._best]
        self._callbacks = [
            *watched[:-1], *_averaging(lesson.phase), self._best, TimeLimit(at_most),
            *_tensorboard(lesson.config, folder), self._history, self._reporter,
        ]  # fmt: skip
        self._checkpoint = None
        if resumable:
            # Last, so that it takes what the others have become, and sets them again after their own start.
            self._checkpoint = Checkpoint(
                folder / "checkpoints",
                state,
                minutes=lesson.config.runtime.checkpoint_minutes,
                precision=lesson.device.precision,
                steps=self._steps,
                images=digest_of(lesson.hashes),
                images_per_step=size.images,
                accumulate=size.accumulate,
                history=self._history,
                watched=watched,
            )
            self._callbacks.append(self._checkpoint)

    def run(self) -> PhaseResult:
        """Train all stages."""
        started = time.monotonic()
        epoch, _ = self._checkpoint.position if self._checkpoint else (0, 0)
        first = 0
        try:
            for stage in self._lesson.all_stages:
                last = first + stage.epochs
                if epoch < last and not self._reporter.failure:
                    self._train(stage, max(first, epoch), last)
                first = last
        except tf.errors.ResourceExhaustedError:
            raise
        except tf.errors.OpError as error:
            raise (self._lesson.train.failure or self._lesson.val.failure or error) from error
        finally:
            self._reporter.close()
            if self._checkpoint:
                self._checkpoint.close()
        return self._result(self._checkpoint.seconds if self._checkpoint else time.monotonic() - started)

    def _train(self, stage: Stage, epoch: int, last: int) -> None:
        """Train one stage from `epoch` on, or from the position of the checkpoint in that epoch."""
        lesson, model = self._lesson, self._lesson.model
        device = lesson.device
        validation = evaluation_batches(lesson.val, self._size.images, device.replicas, device.part)
        before = model.optimizer if self._history.rows else None
        with device.strategy.scope():
            stage.begin()
            compile_for(lesson, self._size, self._steps)
            if before is not None:
                model.optimizer.build(model.trainable_variables)
                carry_over(before, model.optimizer)
        sample = device.distributed(validation.take(1))
        batch = self._checkpoint.prepare(model, sample) if self._checkpoint else 0
        batches = training_batches(
            lesson.train,
            lesson.config.augment,
            batch_size=self._size.images,
            epochs=last,
            seed=lesson.config.runtime.seed,
            sampling=lesson.config.data.sampling,
            class_weights=class_weights(lesson.train, lesson.phase),
            replicas=device.replicas,
            part=device.part,
            # One batch stays when all are done: Keras looks at one before it starts.
            start=min(epoch * self._steps + batch, last * self._steps - 1),
        )
        model.fit(
            device.distributed(batches),
            epochs=last,
            initial_epoch=epoch,
            steps_per_epoch=self._steps,
            validation_data=device.distributed(validation),
            callbacks=self._callbacks,
            shuffle=False,
            verbose=0,
        )

    def _result(self, seconds: float) -> PhaseResult:
        rows, failure = self._history.rows, self._reporter.failure
        if not self._best.best_weights:
            raise TrainingError(
                failure or "The loss on val is no finite number. Try a lower --learning-rate."
            )
        # Stages that ended early leave out epochs, so their number is not their place.
        place = [row["epoch"] for row in rows].index(self._best.best_epoch)
        best = rows[place]
        result = PhaseResult(
            epochs=len(rows),
            best_epoch=place + 1,
            val_loss=best["val_loss"],
            val_accuracy=best["val_accuracy"],
            seconds=round(seconds, 2),
            failure=failure,
        )
        say(
            f"kept: the weights of epoch {result.best_epoch} of {result.epochs}, the best by "
            f"{self._lesson.phase.monitor} "
            f"(val accuracy {result.val_accuracy:.4f}, val loss {result.val_loss:.4f})"
        )
        write_text(self._folder / "summary.json", json.dumps(asdict(result), indent=2) + "\n")
        return result


def compile_for(lesson: Lesson, size: BatchSize, steps: int) -> None:
    """Compile a lesson's model, with a new optimizer for what trains in it now.

    Args:
        lesson: The model and its settings.
        size: Of a batch.
        steps: Batches per epoch.
    """
    multilabel = lesson.config.data.task == "multilabel"
    loss = keras.losses.BinaryCrossentropy if multilabel else keras.losses.CategoricalCrossentropy
    together = _steps_together(steps) if lesson.short_steps and lesson.device.replicas == 1 else 1
    lesson.model.compile(
        optimizer=make_optimizer(
            lesson.phase,
            steps,
            epochs=lesson.epochs,
            images_per_step=size.images,
            accumulate=size.accumulate,
            factors=lesson.layer_rates,
            anchored=lesson.held_back,
            l2_sp=lesson.l2_sp,
        ),
        loss=loss(label_smoothing=lesson.phase.label_smoothing),
        metrics=[keras.metrics.MeanMetricWrapper(_all_right if multilabel else _right, name="accuracy")],
        jit_compile=lesson.device.jit_compile,
        steps_per_execution=together,
    )


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


def _of_knowing_nothing(lesson: Lesson) -> float:
    """Return the loss of a model that thinks all answers equally probable."""
    return math.log(2 if lesson.config.data.task == "multilabel" else max(2, len(lesson.train.classes)))


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
