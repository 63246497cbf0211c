"""Settings -> Keras optimizer and the callbacks of its learning-rate schedule."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import keras

from tl_keras.config.schema import PhaseConfig
from tl_keras.training.optimizers.one_cycle import OneCycle
from tl_keras.training.optimizers.update_rules import (
    SGD,
    Adam,
    Lion,
    RMSprop,
)

UPDATE_RULES = {"sgd": SGD, "adam": Adam, "adamw": Adam, "rmsprop": RMSprop, "lion": Lion}

ADAMW_DECAY = 0.004
"""Keras's default; AdamW without decay would be Adam."""


def make_optimizer(
    phase: PhaseConfig,
    steps_per_epoch: int,
    *,
    epochs: int | None = None,
    images_per_step: int | None = None,
    accumulate: int | None = None,
    factors: Mapping[str, float] | None = None,
    anchored: Collection[str] = (),
    l2_sp: float = 0.0,
) -> Any:
    """Return a fresh Keras optimizer for one phase; call it in the scope of the strategy.

    Args:
        phase: Its settings.
        steps_per_epoch: Batches of an epoch.
        epochs: The length of the schedule; None for `phase.epochs`.
        images_per_step: Images of a batch, over all replicas; None for `phase.images_per_step`.
        accumulate: Batches per update of the weights; None for `phase.accumulate`.
        factors: Path of a variable -> its rate as a multiple of the learning rate; others learn at 1.
        anchored: Paths of variables that `l2_sp` draws towards what they are when the optimizer is built;
            they have no other decay. Biases and norms are spared.
        l2_sp: How much, per unit of rate.
    """
    accumulate = accumulate or phase.accumulate
    rate = phase.effective_rate((images_per_step or phase.images_per_step) * accumulate)
    updates = max(1, (epochs or phase.epochs) * steps_per_epoch // accumulate)
    warmup = min(phase.schedule.warmup_epochs * steps_per_epoch // accumulate, updates // 2)
    return UPDATE_RULES[phase.optimizer](
        _scheduled(phase, rate, updates=updates, warmup=warmup),
        factors=factors,
        kernel_decay=phase.weight_decay or (ADAMW_DECAY if phase.optimizer == "adamw" else 0.0),
        anchored=anchored,
        l2_sp=l2_sp,
        **_options(phase, accumulate),
    )


def schedule_callbacks(phase: PhaseConfig, *, images_per_update: int | None = None) -> list[Any]:
    """Return the callbacks that change the learning rate between epochs; none where it follows the updates.

    Args:
        phase: Its settings.
        images_per_update: See `PhaseConfig.effective_rate`; None for what the settings say.
    """
    schedule = phase.schedule
    if schedule.kind == "plateau":
        return [
            keras.callbacks.ReduceLROnPlateau(
                monitor=phase.monitor,
                mode=better_is(phase),
                factor=schedule.factor,
                patience=schedule.patience,
            )
        ]
    if schedule.kind == "step":
        return [
            keras.callbacks.LearningRateScheduler(lambda epoch: stepped_rate(phase, epoch, images_per_update))
        ]
    return []


def better_is(phase: PhaseConfig) -> str:
    """Return `min` or `max`: which way the monitored value improves."""
    return "min" if phase.monitor == "val_loss" else "max"


def stepped_rate(phase: PhaseConfig, epoch: int, images_per_update: int | None = None) -> float:
    """Return the rate in an epoch counted from 0: times `factor` every `every` epochs.

    Args:
        phase: Its settings.
        epoch: Which one.
        images_per_update: See `PhaseConfig.effective_rate`; None for what the settings say.
    """
    rate = phase.effective_rate(images_per_update or phase.images_per_step * phase.accumulate)
    return float(rate * phase.schedule.factor ** (epoch // phase.schedule.every))


def _scheduled(phase: PhaseConfig, rate: float, *, updates: int, warmup: int) -> Any:
    """Return a Keras schedule over the updates of the weights, or the rate that a phase starts with."""
    if phase.schedule.kind == "one_cycle":
        return OneCycle(rate, updates)
    if phase.schedule.kind == "cosine":
        # Half a cosine down to zero after a linear warm-up (Loshchilov & Hutter 2017, without restarts).
        return keras.optimizers.schedules.CosineDecay(
            initial_learning_rate=0.0 if warmup else rate,
            decay_steps=max(1, updates - warmup),
            warmup_target=rate if warmup else None,
            warmup_steps=warmup,
        )
    return rate


def _options(phase: PhaseConfig, accumulate: int) -> dict[str, Any]:
    """Return the arguments of the update rule that are Keras's own."""
    options: dict[str, Any] = {}
    if phase.optimizer in ("sgd", "rmsprop"):
        options["momentum"] = phase.momentum
    if phase.clip_norm:
        options["global_clipnorm"] = phase.clip_norm
    if phase.ema:
        options |= {"use_ema": True, "ema_momentum": phase.ema}
    if accumulate > 1:
        options["gradient_accumulation_steps"] = accumulate
    return options
