"""Everything that a phase needs to resume as if it had never been stopped."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras

from tl_keras.core.console import say
from tl_keras.distributed.collectives import any_of_workers, is_chief
from tl_keras.errors import RunError, Terminated
from tl_keras.training.callbacks.checkpoint_state import (
    TrainingIdentity,
    TrainingState,
    get_values,
    save,
    set_values,
)
from tl_keras.training.callbacks.history import History

SCALARS = ("best", "best_epoch", "stopped_epoch", "wait", "cooldown_counter")
"""What Keras's EarlyStopping and ReduceLROnPlateau remember from epoch to epoch, besides the best weights."""
LEAST_SECONDS = 1.0
"""Short epochs do not each have a checkpoint: writing one takes longer than they do."""


class Checkpoint(keras.callbacks.Callback):
    """Writes the state at the start of every epoch and every few minutes; resumes from the latest one.

    Keras's BackupAndRestore keeps only the epoch: not the position in it, nor what other callbacks remember.
    Put it last in the list of callbacks: it takes what they have become, and sets them again after their own
    start. While it trains, Ctrl-C and SIGTERM end the batch, write the state and raise KeyboardInterrupt and
    Terminated.

    On one device what follows is the same to the bit. Over several replicas the moving statistics of
    BatchNormalization are kept as their mean. Of several workers the chief writes for all.

    Args:
        folder: Where the checkpoints lie.
        identity: Of this training; a checkpoint of another one is refused.
        state: What to resume from; None to start.
        minutes: Time between two of them within an epoch.
        history: The epochs so far.
        watched: Callbacks with a state.
    """

    def __init__(
        self,
        folder: Path,
        identity: TrainingIdentity,
        state: TrainingState | None,
        *,
        minutes: float,
        history: History,
        watched: Sequence[Any],
    ) -> None:
        super().__init__()
        self._folder = folder
        self._identity = identity
        self._interval = minutes * 60
        self._history = history
        self._watched = watched
        self._state = state
        self._restoring = state is not None
        self._epoch = 0
        self._stop: type[KeyboardInterrupt] | None = None
        self._handlers: dict[int, Any] = {}
        self._started = time.monotonic()
        self._saved = -1.0

    @property
    def position(self) -> tuple[int, int]:
        """The epoch to resume in, from 0, and how many of its batches are done."""
        return (self._state.epoch, self._state.batch) if self._state else (0, 0)

    @property
    def seconds(self) -> float:
        """Training time so far, of all attempts."""
        before = self._state.seconds if self._state else 0.0
        return before + time.monotonic() - self._started

    def prepare(self, model: Any, sample: Any) -> int:
        """Get a compiled model ready; give it the weights and the optimizer state of the checkpoint first.

        Args:
            model: A compiled model.
            sample: A `tf.data` dataset of a batch of images and targets.

        Returns:
            How many batches of its next epoch are done.

        Raises:
            RunError: It was written while training in another way.
        """
        self._listen()
        with model.distribute_strategy.scope():
            model.optimizer.build(model.trainable_variables)
        model.evaluate(sample, verbose=0)  # makes the variables of the metrics
        if self._state is None or not self._restoring:
            return 0
        self._require_same(self._state, model)
        epoch, batch = self.position
        say(f"resuming after an interruption: epoch {epoch + 1}, batch {batch + 1}")
        set_values(model.variables, self._state.arrays["model"])
        set_values(model.optimizer.variables, self._state.arrays["optimizer"])
        self._history.rows = list(self._state.rows)
        _skip(model, batch)
        return batch

    def close(self) -> None:
        """Stop listening for Ctrl-C and SIGTERM."""
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers = {}

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002 - Keras's signature
        if self._state is None or not self._restoring:
            return
        for callback, values in zip(self._watched, self._state.callbacks, strict=True):
            vars(callback).update(values)
            if "best_weights" in vars(callback):
                callback.best_weights = self._state.arrays["best"] or None

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        self._epoch = epoch
        if self._state is not None and self._restoring:
            set_values(self.model.metrics_variables, self._state.arrays["metrics"])
            self._restoring = False
        elif self._is_due(min(LEAST_SECONDS, self._interval)):
            self._save(0)

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        if (self._epoch, batch) < self.position:
            return  # done before the interruption
        if self._is_due(self._interval):
            self._save(batch + 1)

    def on_train_end(self, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002 - Keras's signature
        if self._stop:
            raise self._stop

    def _is_due(self, seconds: float) -> bool:
        """Return whether to save: all workers after the same batch, since all give what they have to sums."""
        due = self._stop is not None or self._saved < 0 or time.monotonic() - self._saved >= seconds
        if not any_of_workers(due):
            return False
        if any_of_workers(self._stop is not None):
            self._stop = self._stop or KeyboardInterrupt
        return True

    def _save(self, batch: int) -> None:
        state = TrainingState(
            identity=self._identity,
            epoch=self._epoch,
            batch=batch,
            seconds=self.seconds,
            rows=self._history.rows,
            callbacks=[_scalars(callback) for callback in self._watched],
            arrays={
                "model": get_values(self.model.variables),
                "optimizer": get_values(self.model.optimizer.variables),
                "metrics": get_values(self.model.metrics_variables),
                "best": next((c.best_weights or [] for c in self._watched if hasattr(c, "best_weights")), []),
            },
        )
        if is_chief():
            save(self._folder, state)
        self._saved = time.monotonic()
        if self._stop:
            raise self._stop

    def _require_same(self, state: TrainingState, model: Any) -> None:
        before, now = state.identity, self._identity
        if before.images != now.images:
            raise RunError(
                "The images have changed since this training started.\n"
                "Bring back what there was, or restart with --overwrite."
            )
        if [array.shape for array in state.arrays["model"]] != [tuple(v.shape) for v in model.variables]:
            raise RunError(
                "This training started on stored features and would resume on whole images, or the other "
                "way round: the room for features has changed.\n"
                "Make it what it was (see: tlk cache), or restart with --overwrite."
            )
        if before.precision != now.precision:
            raise RunError(
                f"This run started in {before.precision}; here it would resume in {now.precision}.\n"
                "Resume where it started, or set runtime.precision and restart with --overwrite."
            )
        if before.steps != now.steps:
            raise RunError(
                f"This run started with {before.steps} steps per epoch; over as many replicas as here there "
                f"are {now.steps}, since all need the same number of images.\n"
                "Resume with as many replicas as before, or restart with --overwrite."
            )

    def _listen(self) -> None:
        """Let Ctrl-C and SIGTERM wait for the end of the batch; a second one does not wait.

        An exception raised by the handler itself could arise inside a foreign callback, and be lost there.
        """
        if self._handlers or threading.current_thread() is not threading.main_thread():
            return

        def note(number: int, frame: object) -> None:  # noqa: ARG001 - the signature of a handler
            again = self._stop is not None
            self._stop = Terminated if number == signal.SIGTERM else KeyboardInterrupt
            if again:
                raise self._stop

        for number in (signal.SIGINT, signal.SIGTERM):
            if signal.getsignal(number) not in (signal.SIG_IGN, None):
                self._handlers[number] = signal.signal(number, note)


def _skip(model: Any, batches: int) -> None:
    """Let the first calls of a model's training step do nothing: those batches are done.

    The step stays wrapped until the model is compiled again; by then it passes every call on.
    """
    model.make_train_function()
    step, left = model.train_function, batches // model.steps_per_execution

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
