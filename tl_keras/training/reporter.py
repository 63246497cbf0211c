"""What is said while training: a bar on a terminal, one line per epoch everywhere."""

from __future__ import annotations

import math
import time
from contextlib import ExitStack

import keras

from tl_keras.console import progress, say
from tl_keras.errors import TrainingError


class Reporter(keras.callbacks.Callback):
    """Prints one line per epoch, and stops a training whose loss is no number any more."""

    def __init__(self, epochs: int | None, steps_per_epoch: int) -> None:
        super().__init__()
        self._of = f"/{epochs}" if epochs else ""
        self._steps = steps_per_epoch
        self._stack = ExitStack()
        self._started = 0.0

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:  # noqa: ARG002
        self._started = time.monotonic()
        self._done = 0
        self._advance = self._stack.enter_context(
            progress(f"epoch {epoch + 1}{self._of}", self._steps, "batches")
        )

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
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
        seconds = time.monotonic() - self._started
        logs = logs or {}
        values = "  ".join(f"{name} {logs[name]:.4f}" for name in sorted(logs) if name != "learning_rate")
        say(f"epoch {epoch + 1}{self._of}  {values}  rate {self._rate():.2g}  {seconds:.1f} s")

    def close(self) -> None:
        """Take the bar off the terminal."""
        self._stack.close()

    def _rate(self) -> float:
        return float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
