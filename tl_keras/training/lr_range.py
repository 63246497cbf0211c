"""The learning-rate range test: train for a moment at a rate that rises from step to step, watch the loss.

Method: Smith 2017, "Cyclical Learning Rates for Training Neural Networks", section 3.3; with a rate that
rises exponentially, and smoothing, as in fastai.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from tl_keras.errors import TrainingError

SMOOTHING = 0.9
"""Share of the old average that stays: it looks back over some 10 steps. fastai's 0.98 looks back over 50."""
STOP_AT = 4.0
"""The test ends where the smoothed loss is so many times its minimum."""
LEAST_CHANGE = 0.02
"""A change of the loss by less than this share of it says nothing."""
LOOKS_BACK = 10
"""Steps that the smoothing takes to settle, at rates that change nothing yet."""
FEWEST_POINTS, SMALLEST_LOSS = 4, 1e-12
SHARE_OF_FALL = 0.75
"""The suggestion is the rate at which this share of the fall of the smoothed loss is done."""


@dataclass(frozen=True, slots=True)
class RatePoint:
    """One step.

    Attributes:
        rate: Learning rate of the step.
        loss: Loss of its batch, before the step and without dropout.
        smoothed: Exponential average of the losses so far, made up for how hard their batches are.
    """

    rate: float
    loss: float
    smoothed: float


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What the curve says.

    Attributes:
        rate: A learning rate to train at; None where the curve does not tell.
        reason: How it was chosen, or why there is none.
    """

    rate: float | None
    reason: str


def exponential_rates(low: float, high: float, steps: int) -> list[float]:
    """Return so many rates from `low` to `high`, each the same multiple of the one before."""
    return [float(rate) for rate in np.geomspace(low, high, steps)]


def range_test(
    model: Any, batches: tf.data.Dataset, rates: Sequence[float], advance: Callable[[int], None]
) -> list[RatePoint]:
    """Train for a step at each of the rates; stop early where the loss goes through the roof.

    Some batches are harder than others, which would drown the curve in noise. The average loss is therefore
    divided by that of the untouched model on the same batches (a ratio estimator), and multiplied by the
    latter's mean over all batches. The model is changed.

    Args:
        model: Compiled, with a constant learning rate.
        batches: (inputs, targets) or (inputs, targets, weights), at least as many as rates, the same ones
            each time they are asked for.
        rates: The learning rates, in the order of the steps.
        advance: Called with 1 after every batch; there are at most two per rate.

    Returns:
        A point per step, up to the first whose loss is no number.

    Raises:
        TrainingError: The loss is no number from the start.
    """
    untouched = []
    for batch in batches.take(len(rates)):
        untouched.append(_loss(model, batch))
        advance(1)
    usual = float(np.mean(untouched))
    if not math.isfinite(usual):
        raise TrainingError(f"The loss is {usual} before the first step: this model cannot be trained on.")
    points: list[RatePoint] = []
    losses: list[float] = []
    lowest = math.inf
    for rate, batch in zip(rates, batches, strict=False):
        loss = _loss(model, batch)
        if not math.isfinite(loss):
            break
        losses.append(loss)
        smoothed = usual * _average(losses) / _average(untouched[: len(losses)])
        points.append(RatePoint(rate, loss, smoothed))
        lowest = min(lowest, smoothed)
        if smoothed > STOP_AT * lowest:
            break
        model.optimizer.learning_rate = rate
        model.train_on_batch(*batch)
        advance(1)
    return points


def suggest(points: Sequence[RatePoint]) -> Suggestion:
    """Return the rate at which three quarters of the fall of the loss are done, if it falls and rises again.

    The lowest loss may be anywhere on the ground of a wide valley, often at the cliff, and the steepest slope
    is where the noise is; this hardly depends on the order of the batches. A change counts if it is more than
    the standard deviation of the smoothed losses of the first steps.
    """
    if len(points) < FEWEST_POINTS:
        return Suggestion(None, "The loss explodes from the lowest rate on. Give a lower --from.")
    settled = min(LOOKS_BACK, len(points) // 2)
    first = [point.smoothed for point in points[:settled]]
    lowest = min(points[settled:], key=lambda point: point.smoothed)
    start = float(np.mean(first))
    noise = max(float(np.std(first)), LEAST_CHANGE * start)
    falls = start - lowest.smoothed > noise
    rises = points[-1].smoothed - lowest.smoothed > noise
    if falls and rises:
        level = start + SHARE_OF_FALL * (lowest.smoothed - start)
        rate = next(point.rate for point in points[settled:] if point.smoothed <= level)
        return Suggestion(
            float(f"{rate:.1e}"),
            f"{SHARE_OF_FALL:.0%} of the fall of the smoothed loss is done there, from "
            f"{start:.3g} to {lowest.smoothed:.3g} at {lowest.rate:.1e}",
        )
    if falls:
        return Suggestion(None, f"The loss still falls at {points[-1].rate:.1e}. Give a higher --to.")
    if rises:
        return Suggestion(
            None,
            "The loss never falls, it only rises: the model may have learned these images already "
            "(augmentation would give it something to do), or give a lower --from.",
        )
    return Suggestion(None, "The loss hardly changes at any of these rates. Give a higher --to.")


def _loss(model: Any, batch: tuple[Any, ...]) -> float:
    return float(model.test_on_batch(*batch, return_dict=True)["loss"])


def _average(losses: Sequence[float]) -> float:
    """Return the exponential moving average at the last of the losses, corrected for its start; not zero."""
    weights = SMOOTHING ** np.arange(len(losses))[::-1]
    return float(np.average(losses, weights=weights)) + SMALLEST_LOSS
