"""What is said while training: a bar on a terminal, one line per epoch everywhere."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import ExitStack

import keras

from tl_keras.core.console import progress, say

EXPLODED = 3
"""A loss of so many times the chance level, and growing, will not come down."""
LINE_SECONDS = 0.5
"""Shorter epochs have no bar, and not each of them a line."""


class Progress(keras.callbacks.Callback):
    """Prints a line per epoch, fewer if they are short, and ends a training that has failed.

    Args:
        epochs: Of the whole phase, if that is known.
        steps_per_epoch: Batches of each.
        chance_loss: The loss of a model that finds all answers equally probable.
        learning_rate: What the settings say, which the schedule may have changed.

    Attributes:
        failure: Why it was ended, for people; empty as long as it was not.
    """

    def __init__(
        self, epochs: int | None, steps_per_epoch: int, chance_loss: float, learning_rate: float
    ) -> None:
        super().__init__()
        self.failure = ""
        self._bound = EXPLODED * chance_loss
        self._learning_rate = learning_rate
        self._val_loss = math.inf  # of the last epoch
        self._of = f"/{epochs}" if epochs else ""
        self._steps = steps_per_epoch
        self._stack = ExitStack()
        self._started = self._said = 0.0
        self._seconds = math.inf  # of the last epoch

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        self._started = time.monotonic()
        self._epoch = epoch
        self._done = 0
        self._advance: Callable[[int], None] | None = None
        if self._seconds >= LINE_SECONDS:
            bar = progress(f"epoch {epoch + 1}{self._of}", self._steps, "batches")
            self._advance = self._stack.enter_context(bar)

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        if self._advance:
            self._advance(batch + 1 - self._done)  # several batches may have been done together
        self._done = batch + 1
        loss = (logs or {}).get("loss", 0.0)
        if not math.isfinite(loss):
            self._fail(f"The loss became {loss} in epoch {self._epoch + 1}, batch {batch + 1},")

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.close()
        logs = logs or {}
        before, self._val_loss = self._val_loss, logs["val_loss"]
        if min(logs["loss"], self._val_loss) > self._bound and self._val_loss > before:
            self._fail(f"The loss on val grew to {self._val_loss:.3g} in epoch {epoch + 1},")
        now = time.monotonic()
        self._seconds = now - self._started
        if now - self._said < LINE_SECONDS:
            return
        self._said = now
        values = "  ".join(f"{name} {logs[name]:.4f}" for name in sorted(logs) if name != "learning_rate")
        say(f"epoch {epoch + 1}{self._of}  {values}  rate {self._rate():.2g}  {self._seconds:.1f} s")

    def close(self) -> None:
        """Take the bar off the terminal."""
        self._stack.close()

    def _fail(self, what: str) -> None:
        self.failure = (
            f"{what} at learning rate {self._rate():.3g}. Try a rate ten times lower, e.g. --learning-rate "
            f"{self._learning_rate / 10:.1g}, or a limit to the gradients (clip_norm: 1)."
        )
        self.model.stop_training = True

    def _rate(self) -> float:
        return float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
