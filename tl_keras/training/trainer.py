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

from tl_keras.config.schema import PhaseConfig
from tl_keras.core.console import say, warn
from tl_keras.core.files import remove, write_text
from tl_keras.core.types import SINGLE_SHARD
from tl_keras.data.batches import (
    evaluation_batches,
)
from tl_keras.distributed.collectives import digest_of, require_same_images
from tl_keras.errors import (
    ConfigError,
    MissingExtra,
    TrainingError,
)
from tl_keras.training.callbacks.checkpoint import Checkpoint
from tl_keras.training.callbacks.checkpoint_state import (
    TrainingIdentity,
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


def train(spec: TrainSpec, folder: Path, *, resumable: bool = True, at_most: float = math.inf) -> PhaseResult:
    """Train what is trainable in the spec's model, in place.

    Afterwards it has the weights of the best epoch by `phase.monitor`; `folder` holds `history.csv` and
    `summary.json`. A loss that is no number, or grows beyond all bounds, ends the phase: with the weights of
    the best epoch and `failure` if there is one.

    Args:
        spec: What to train on what.
        folder: Where the phase's files go.
        resumable: Write checkpoints into `folder`, and resume from the latest one there.
        at_most: Seconds after the first batch, after which the training ends with the batch.

    Raises:
        TrainingError: The loss failed before the first epoch was over.
        DataError: An image could be read when it was checked, and cannot any more; or the chief has others.
        KeyboardInterrupt: Ctrl-C; with `resumable` after a checkpoint.
    """
    folder.mkdir(parents=True, exist_ok=True)
    automatic = spec.phase.batch_size == "auto"
    if automatic and spec.device.shard != SINGLE_SHARD:
        raise ConfigError("batch_size: auto is for a single process: one worker cannot halve it for all.")
    require_same_images(spec.hashes)
    state = broadcast_state(latest(folder / "checkpoints")) if resumable else None
    size = BatchSize(spec.phase.images_per_step, spec.phase.accumulate)
    if state is not None:
        size = BatchSize(state.identity.images_per_step, state.identity.accumulate)
    first_values = get_values(spec.model.variables) if automatic else []
    while True:
        try:
            return Trainer(spec, size, folder, state, resumable=resumable, at_most=at_most).run()
        except tf.errors.ResourceExhaustedError:
            if not automatic or size.images <= spec.device.replicas or state is not None:
                raise  # what has been trained with this size is not thrown away
            size = size.halved()
            warn(f"out of memory: now {size.images} images per step, {size.accumulate} steps per update")
            set_values(spec.model.variables, first_values)
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
        self._steps = spec.steps_per_epoch(size.images)
        _require_an_update(spec, size, self._steps)
        self._best = EarlyStopping(spec.phase)
        self._history = History(folder / "history.csv")
        epochs = None if math.isfinite(at_most) else spec.epochs
        self._progress = Progress(epochs, self._steps, spec.chance_loss, spec.phase.learning_rate)
        schedule = schedule_callbacks(spec.phase, images_per_update=size.images * size.accumulate)
        self._checkpoint = self._checkpoint_of(state, [*schedule, self._best]) if resumable else None
        self._callbacks = [
            *schedule, *_averaging(spec.phase), self._best, TimeLimit(at_most), *_tensorboard(spec, folder),
            self._history, self._progress,
            # Last, so that it takes what the others have become, and sets them again after their own start.
            *([self._checkpoint] if self._checkpoint else []),
        ]  # fmt: skip

    def _checkpoint_of(self, state: TrainingState | None, watched: list[Any]) -> Checkpoint:
        identity = TrainingIdentity(
            precision=self._spec.device.precision,
            images=digest_of(self._spec.hashes),
            steps=self._steps,
            images_per_step=self._size.images,
            accumulate=self._size.accumulate,
        )
        return Checkpoint(
            self._folder / "checkpoints",
            identity,
            state,
            minutes=self._spec.checkpoint_minutes,
            history=self._history,
            watched=watched,
        )

    def run(self) -> PhaseResult:
        """Train all stages."""
        started = time.monotonic()
        epoch, _ = self._checkpoint.position if self._checkpoint else (0, 0)
        first = 0
        try:
            for stage in self._spec.all_stages:
                last = first + stage.epochs
                if epoch < last and not self._progress.failure:
                    self._train(stage, max(first, epoch), last)
                first = last
        except tf.errors.ResourceExhaustedError:
            raise
        except tf.errors.OpError as error:
            raise (self._spec.train.failure or self._spec.val.failure or error) from error
        finally:
            self._progress.close()
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
        # One batch stays when all are done: Keras looks at one before it starts.
        start = min(epoch * self._steps + batch, last * self._steps - 1)
        batches = spec.batches(self._size.images, last, start)
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
        rows, failure = self._history.rows, self._progress.failure
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
            f"best epoch by {self._spec.phase.monitor}: {result.best_epoch} of {result.epochs} "
            f"(val accuracy {result.val_accuracy:.4f}, val loss {result.val_loss:.4f})"
        )
        write_text(self._folder / "summary.json", json.dumps(asdict(result), indent=2) + "\n")
        return result


def _require_an_update(spec: TrainSpec, size: BatchSize, steps: int) -> None:
    """Refuse to accumulate over more steps than there are.

    Raises:
        ConfigError: There would be no update of the weights.
    """
    fewest = steps * min(stage.epochs for stage in spec.all_stages)
    if fewest < size.accumulate:
        raise ConfigError(
            f"accumulate: {size.accumulate} steps make an update, and there are only {fewest}: nothing "
            "would be learned. Lower it, or train for more epochs."
        )


def _averaging(phase: PhaseConfig) -> list[Any]:
    """Return the callback that puts the averaged weights into the model at the end of every epoch."""
    return [keras.callbacks.SwapEMAWeights(swap_on_epoch=True)] if phase.ema else []


def _tensorboard(spec: TrainSpec, folder: Path) -> list[Any]:
    if not spec.tensorboard:
        return []
    if importlib.util.find_spec("tensorboard") is None:
        raise MissingExtra("runtime.tensorboard", "tensorboard")
    return [keras.callbacks.TensorBoard(folder / "tensorboard")]
