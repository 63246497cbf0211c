"""Ends a training after a number of seconds."""

from __future__ import annotations

import math
import time

import keras

from tl_keras.distributed.collectives import any_of_workers


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
        if not math.isinf(self._seconds) and any_of_workers(now >= self._end):
            self.model.stop_training = True
