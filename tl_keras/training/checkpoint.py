"""Everything that a phase needs to go on as if it had never been stopped."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tl_keras.console import say
from tl_keras.errors import RunError
from tl_keras.training.history import History
from tl_keras.training.multi_worker import any_worker
from tl_keras.training.state import State, newest, write

SCALARS = ("best", "best_epoch", "stopped_epoch", "wait", "cooldown_counter")
"""What Keras's EarlyStopping and ReduceLROnPlateau remember from epoch to epoch, besides the best weights."""


class Checkpoint(keras.callbacks.Callback):
    """Writes the state at the start of every epoch and every few minutes; goes on from the newest one.

    Keras's BackupAndRestore keeps only the epoch: not the position in it, nor what other callbacks remember.
    Put it last in the list of callbacks: it takes what they have become, and sets them again after their own
    start. While it trains, Ctrl-C ends the batch, writes the state and raises KeyboardInterrupt.

    On one device what follows is the same to the bit. Over several replicas the moving statistics of
    BatchNormalization are kept as their mean.

    Args:
        folder: Where the checkpoints lie.
        device: Precision and replicas; a checkpoint of others is refused.
        minutes: Time between two of them within an epoch.
        history: The epochs so far.
        watched: Callbacks with a state.
    """

    def __init__(
        self, folder: Path, device: str, minutes: float, history: History, watched: Sequence[Any]
    ) -> None:
        super().__init__()
        self._folder = folder
        self._device = device
        self._interval = minutes * 60
        self._history = history
        self._watched = watched
        self._state = newest(folder)
        self._epoch = 0
        self._interrupted = False
        self._handler: Any = None
        self._saved = time.monotonic()
        self._started = self._saved

    @property
    def seconds(self) -> float:
        """Training time so far, of all attempts."""
        before = self._state.seconds if self._state else 0.0
        return before + time.monotonic() - self._started

    def prepare(self, model: Any, sample: Any) -> tuple[int, int]:
        """Give a compiled model the weights and the optimizer state of the checkpoint, if there is one.

        Args:
            model: A compiled model.
            sample: A `tf.data` dataset of a batch of images and targets.

        Returns:
            The epoch to go on with, from 0, and how many of its batches are done.

        Raises:
            RunError: It was written while training on other devices.
        """
        self._listen()
        with model.distribute_strategy.scope():
            model.optimizer.build(model.trainable_variables)
        model.evaluate(sample, verbose=0)  # makes the variables of the metrics
        if self._state is None:
            return 0, 0
        if self._state.device != self._device:
            raise RunError(
                f"This run was begun on {self._state.device}; here it would go on on {self._device}.\n"
                "Go on where it was begun, or set runtime.precision and runtime.strategy and begin anew."
            )
        epoch, batch = self._state.epoch, self._state.batch
        say(f"going on after an interruption: epoch {epoch + 1}, batch {batch + 1}")
        _assign(model.variables, self._state.arrays["model"])
        _assign(model.optimizer.variables, self._state.arrays["optimizer"])
        self._history.rows = list(self._state.rows)
        _skip(model, batch)
        return epoch, batch

    def close(self) -> None:
        """Stop listening for Ctrl-C."""
        if self._handler is not None:
            signal.signal(signal.SIGINT, self._handler)
            self._handler = None

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002 - Keras's signature
        if self._state is None:
            return
        for callback, values in zip(self._watched, self._state.callbacks, strict=True):
            vars(callback).update(values)
            if "best_weights" in vars(callback):
                callback.best_weights = self._state.arrays["best"] or None

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        self._epoch = epoch
        if self._state is not None and epoch == self._state.epoch:
            _assign(self.model.metrics_variables, self._state.arrays["metrics"])
        else:
            self._save(0)

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        if self._state and (self._epoch, batch) < (self._state.epoch, self._state.batch):
            return  # done before the interruption
        # All workers save after the same batch: what they save includes sums over all of them.
        if any_worker(self._interrupted or time.monotonic() - self._saved >= self._interval):
            self._save(batch + 1)

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002 - Keras's signature
        if self._interrupted:
            raise KeyboardInterrupt

    def _save(self, batch: int) -> None:
        state = State(
            device=self._device,
            epoch=self._epoch,
            batch=batch,
            seconds=self.seconds,
            rows=self._history.rows,
            callbacks=[_scalars(callback) for callback in self._watched],
            arrays={
                "model": _values(self.model.variables),
                "optimizer": _values(self.model.optimizer.variables),
                "metrics": _values(self.model.metrics_variables),
                "best": next((c.best_weights or [] for c in self._watched if hasattr(c, "best_weights")), []),
            },
        )
        write(self._folder, state)
        self._saved = time.monotonic()
        if self._interrupted:
            raise KeyboardInterrupt

    def _listen(self) -> None:
        """Let Ctrl-C wait for the end of the batch; a second one does not wait."""
        if threading.current_thread() is not threading.main_thread():
            return

        def note(*_: object) -> None:
            if self._interrupted:
                raise KeyboardInterrupt
            self._interrupted = True

        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            self._handler = signal.signal(signal.SIGINT, note)


def _skip(model: Any, batches: int) -> None:
    """Let the first calls of a model's training step do nothing: those batches are done.

    The step stays wrapped until the model is compiled again; by then it passes every call on.
    """
    model.make_train_function()
    step, left = model.train_function, batches

    def skipping(iterator: Any) -> Any:
        nonlocal left
        if left:
            left -= 1
            return model.get_metrics_result()
        return step(iterator)

    model.train_function = skipping


def _scalars(callback: Any) -> dict[str, float]:
    found = {name: vars(callback)[name] for name in SCALARS if vars(callback).get(name) is not None}
    return {name: value if isinstance(value, int) else float(value) for name, value in found.items()}


def _values(variables: Sequence[Any]) -> list[np.ndarray]:
    return [np.asarray(keras.ops.convert_to_numpy(variable)) for variable in variables]


def _assign(variables: Sequence[Any], values: Sequence[np.ndarray]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
