"""One training phase: compile, fit with early stopping, end with the best epoch's weights."""

from __future__ import annotations

import importlib.util
import json
import math
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from tl_keras.config.schema import Config, PhaseConfig
from tl_keras.core.console import say, warn
from tl_keras.core.files import remove, write_text
from tl_keras.core.types import SINGLE_SHARD
from tl_keras.data.batches import (
    evaluation_batches,
    steps_per_epoch,
    training_batches,
)
from tl_keras.data.class_weights import class_weights
from tl_keras.distributed.collectives import digest_of, require_same_images
from tl_keras.errors import (
    ConfigError,
    DataError,
    MissingExtra,
    TrainingError,
)
from tl_keras.training.callbacks.checkpoint import Checkpoint
from tl_keras.training.callbacks.checkpoint_state import (
    TrainingState,
    broadcast_state,
    get_values,
    latest,
    set_values,
)
from tl_keras.training.callbacks.early_stopping import EarlyStopping
from tl_keras.training.callbacks.history import History
from tl_keras.training.callbacks.progress import Progress
from tl_keras.training.callbacks.time_limit import TimeLimit
from tl_keras.training.compile import compile_model
from tl_keras.training.optimizers.factory import schedule_callbacks
from tl_keras.training.optimizers.update_rules import carry_over
from tl_keras.training.spec import (
    BatchSize,
    PhaseResult,
    Stage,
    TrainSpec,
)


def train_phase(
    spec: TrainSpec, folder: Path, *, resumable: bool = True, at_most: float = math.inf
) -> PhaseResult:
    """Train what is trainable in the spec's model, in place.

    Afterwards it has the weights of the best epoch by `phase.monitor`; `folder` holds `history.csv` and
    `summary.json`. A loss that is no number, or grows beyond all bounds, ends the phase: with the weights of
    the best epoch and `failure` if there is one.

    Args:
        spec: What to train on what.
        folder: Where the phase's files go.
        resumable: Write checkpoints into `folder`, and go on from the newest one there.
        at_most: Seconds after the first batch, after which the training ends with the batch.

    Raises:
        TrainingError: The loss failed before the first epoch was over.
        DataError: An image could be read when it was checked, and cannot any more; or the chief has others.
        KeyboardInterrupt: Ctrl-C; with `resumable` after a checkpoint.
    """
    folder.mkdir(parents=True, exist_ok=True)
    phase = spec.phase
    if phase.batch_size == "auto" and spec.device.shard != SINGLE_SHARD:
        raise ConfigError("batch_size: auto is for a single process: one worker cannot halve it for all.")
    require_same_images(spec.hashes)
    state = broadcast_state(latest(folder / "checkpoints")) if resumable else None
    size = BatchSize(phase.images_per_step, phase.accumulate)
    if state is not None:
        size = BatchSize(state.images_per_step, state.accumulate)
    begun_with = get_values(spec.model.variables) if phase.batch_size == "auto" else []
    while True:
        try:
            return Trainer(spec, size, folder, state, resumable=resumable, at_most=at_most).run()
        except tf.errors.ResourceExhaustedError:
            if phase.batch_size != "auto" or size.images <= spec.device.replicas or state is not None:
                raise  # what has been trained with this size is not thrown away
            size = size.halved()
            warn(f"out of memory: now {size.images} images per step, {size.accumulate} steps per update")
            set_values(spec.model.variables, begun_with)
            remove(folder / "checkpoints")


class Trainer:
    """A phase with one batch size."""

    def __init__(
        self,
        spec: TrainSpec,
        size: BatchSize,
        folder: Path,
        state: TrainingState | None,
        *,
        resumable: bool,
        at_most: float,
    ) -> None:
        self._spec = spec
        self._size = size
        self._folder = folder
        self._steps = steps_per_epoch(len(spec.train), size.images, spec.device.replicas)
        if not self._steps:
            found = len(spec.train)
            raise DataError(f"{found} training images are too few for {spec.device.replicas} replicas.")
        fewest = self._steps * min(stage.epochs for stage in spec.all_stages)
        if fewest < size.accumulate:
            raise ConfigError(
                f"accumulate: {size.accumulate} steps make an update, and there are only {fewest}: nothing "
                "would be learnt. Lower it, or train for more epochs."
            )
        epochs = None if math.isfinite(at_most) else spec.epochs
        self._best = EarlyStopping(spec.phase)
        self._history = History(folder / "history.csv")
        self._reporter = Progress(epochs, self._steps, chance_loss(spec), spec.phase.learning_rate)
        images_per_update = size.images * size.accumulate
        watched = [*schedule_callbacks(spec.phase, images_per_update=images_per_update), self._best]
        self._callbacks = [
            *watched[:-1], *_averaging(spec.phase), self._best, TimeLimit(at_most),
            *_tensorboard(spec.config, folder), self._history, self._reporter,
        ]  # fmt: skip
        self._checkpoint = None
        if resumable:
            # Last, so that it takes what the others have become, and sets them again after their own start.
            self._checkpoint = Checkpoint(
                folder / "checkpoints",
                state,
                minutes=spec.config.runtime.checkpoint_minutes,
                precision=spec.device.precision,
                steps=self._steps,
                images=digest_of(spec.hashes),
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
            for stage in self._spec.all_stages:
                last = first + stage.epochs
                if epoch < last and not self._reporter.failure:
                    self._train(stage, max(first, epoch), last)
                first = last
        except tf.errors.ResourceExhaustedError:
            raise
        except tf.errors.OpError as error:
            raise (self._spec.train.failure or self._spec.val.failure or error) from error
        finally:
            self._reporter.close()
            if self._checkpoint:
                self._checkpoint.close()
        return self._result(self._checkpoint.seconds if self._checkpoint else time.monotonic() - started)

    def _train(self, stage: Stage, epoch: int, last: int) -> None:
        """Train one stage from `epoch` on, or from the position of the checkpoint in that epoch."""
        spec, model = self._spec, self._spec.model
        device = spec.device
        validation = evaluation_batches(spec.val, self._size.images, device.replicas, device.shard)
        before = model.optimizer if self._history.rows else None
        with device.strategy.scope():
            stage.begin()
            compile_model(spec, self._size, self._steps)
            if before is not None:
                model.optimizer.build(model.trainable_variables)
                carry_over(before, model.optimizer)
        sample = device.distributed(validation.take(1))
        batch = self._checkpoint.prepare(model, sample) if self._checkpoint else 0
        batches = training_batches(
            spec.train,
            spec.config.augment,
            batch_size=self._size.images,
            epochs=last,
            seed=spec.config.runtime.seed,
            sampling=spec.config.data.sampling,
            class_weights=class_weights(spec.train, spec.phase),
            replicas=device.replicas,
            shard=device.shard,
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
            f"{self._spec.phase.monitor} "
            f"(val accuracy {result.val_accuracy:.4f}, val loss {result.val_loss:.4f})"
        )
        write_text(self._folder / "summary.json", json.dumps(asdict(result), indent=2) + "\n")
        return result


def chance_loss(spec: TrainSpec) -> float:
    """Return the loss of a model that thinks all answers equally probable."""
    return math.log(2 if spec.config.data.task == "multilabel" else max(2, len(spec.train.classes)))


def _averaging(phase: PhaseConfig) -> list[Any]:
    """Return the callback that puts the averaged weights into the model at the end of every epoch."""
    return [keras.callbacks.SwapEMAWeights(swap_on_epoch=True)] if phase.ema else []


def _tensorboard(config: Config, folder: Path) -> list[Any]:
    if not config.runtime.tensorboard:
        return []
    if importlib.util.find_spec("tensorboard") is None:
        raise MissingExtra("runtime.tensorboard", "tensorboard")
    return [keras.callbacks.TensorBoard(folder / "tensorboard")]
