"""The one-cycle schedule."""

from __future__ import annotations

import math
from typing import Any

import keras

from tl_keras.training.optimizers.update_rules import registered


@registered
class OneCycle(keras.optimizers.schedules.LearningRateSchedule):
    """One cycle (Smith 2018, arXiv 1803.09820): up to the rate in 30 % of the updates, then down to nearly 0.

    Both ways are half a cosine, as in the one-cycle policies of fastai and PyTorch, which lower the momentum
    meanwhile; here it stays.

    Args:
        learning_rate: At the top; the first update is at a 25th of it, the last one at a 250,000th.
        updates: How many updates there are.
    """

    RISING = 0.3
    FIRST = 1 / 25
    LAST = 1 / 250_000

    def __init__(self, learning_rate: float, updates: int) -> None:
        super().__init__()
        self.learning_rate = learning_rate
        self.updates = updates

    def __call__(self, step: Any) -> Any:
        """Return the rate of an update counted from 0, a float32 scalar."""
        done = keras.ops.cast(step, "float32") / max(1, self.updates - 1)
        done = keras.ops.minimum(done, 1.0)
        up = _half_cosine(self.FIRST, 1.0, done / self.RISING)
        down = _half_cosine(1.0, self.LAST, (done - self.RISING) / (1 - self.RISING))
        return self.learning_rate * keras.ops.where(done < self.RISING, up, down)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make such a schedule."""
        return {"learning_rate": self.learning_rate, "updates": self.updates}


def _half_cosine(start: float, end: float, done: Any) -> Any:
    """Go from `start` to `end` as `done` goes from 0 to 1, slowly at both ends."""
    return end + (start - end) * (1 + keras.ops.cos(math.pi * done)) / 2
