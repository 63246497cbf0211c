"""Settings -> Keras optimizer and the callbacks of its learning-rate schedule."""

from __future__ import annotations

from typing import Any

import keras

from tl_keras.config import PhaseConfig

# Biases and the parameters of normalisation layers are not shrunk towards zero.
SPARED_FROM_DECAY = ("bias", "gamma", "beta")


def make_optimizer(phase: PhaseConfig, steps_per_epoch: int) -> Any:
    """Return a fresh Keras optimizer for one phase."""
    rate: Any = phase.learning_rate
    if phase.schedule.kind == "cosine":
        rate = _cosine(phase, steps_per_epoch)
    options: dict[str, Any] = {"learning_rate": rate}
    if phase.optimizer in ("sgd", "rmsprop"):
        options["momentum"] = phase.momentum
    if phase.weight_decay > 0:
        options["weight_decay"] = phase.weight_decay
    if phase.ema > 0:
        options |= {"use_ema": True, "ema_momentum": phase.ema}
    makers = {
        "sgd": keras.optimizers.SGD,
        "adam": keras.optimizers.Adam,
        "adamw": keras.optimizers.AdamW,
        "rmsprop": keras.optimizers.RMSprop,
    }
    if phase.optimizer == "adamw" and phase.weight_decay == 0:
        options["weight_decay"] = 0.004  # Keras's default; AdamW without decay would be Adam
    optimizer = makers[phase.optimizer](**options)
    if optimizer.weight_decay:
        optimizer.exclude_from_weight_decay(var_names=list(SPARED_FROM_DECAY))
    return optimizer


def schedule_callbacks(phase: PhaseConfig) -> list[Any]:
    """Return the callbacks that change the learning rate between epochs (none for cosine and constant)."""
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
        return [keras.callbacks.LearningRateScheduler(lambda epoch: stepped_rate(phase, epoch))]
    return []


def better_is(phase: PhaseConfig) -> str:
    """Return `min` or `max`: which way the monitored value improves."""
    return "min" if phase.monitor == "val_loss" else "max"


def stepped_rate(phase: PhaseConfig, epoch: int) -> float:
    """Return the rate in an epoch counted from 0: times `factor` every `every` epochs."""
    return float(phase.learning_rate * phase.schedule.factor ** (epoch // phase.schedule.every))


def _cosine(phase: PhaseConfig, steps_per_epoch: int) -> Any:
    """Half a cosine down to zero after a linear warm-up (Loshchilov & Hutter 2017, without restarts)."""
    warmup = phase.schedule.warmup_epochs * steps_per_epoch
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup else phase.learning_rate,
        decay_steps=max(1, phase.epochs * steps_per_epoch - warmup),
        warmup_target=phase.learning_rate if warmup else None,
        warmup_steps=warmup,
    )
