"""What is said while training: a bar on a terminal, one line per epoch everywhere."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import ExitStack

import keras

from tl_keras.console import progress, say
from tl_keras.errors import TrainingError

LINE_SECONDS = 0.5
"""Shorter epochs have no bar, and not each of them a line."""


class Reporter(keras.callbacks.Callback):
    """Prints a line per epoch, fewer if they are short, and stops when the loss is no number any more."""

    def __init__(self, epochs: int | None, steps_per_epoch: int) -> None:
        super().__init__()
        self._of = f"/{epochs}" if epochs else ""
        self._steps = steps_per_epoch
        self._stack = ExitStack()
        self._started = self._said = 0.0
        self._seconds = math.inf  # of the last epoch

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        self._started = time.monotonic()
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
            self.close()
            raise TrainingError(
                f"The loss became {loss} in batch {batch + 1} at learning rate {self._rate():.3g}. "
                "Try a rate ten times lower, e.g. --learning-rate "
                f"{self._rate() / 10:.1g}."
            )

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.close()
        now = time.monotonic()
        self._seconds = now - self._started
        if now - self._said < LINE_SECONDS:
            return
        self._said = now
        logs = logs or {}
        values = "  ".join(f"{name} {logs[name]:.4f}" for name in sorted(logs) if name != "learning_rate")
        say(f"epoch {epoch + 1}{self._of}  {values}  rate {self._rate():.2g}  {self._seconds:.1f} s")

    def close(self) -> None:
        """Take the bar off the terminal."""
        self._stack.close()

    def _rate(self) -> float:
        return float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
