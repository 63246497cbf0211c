"""Early stopping and the best weights, over all stages of a phase."""

from __future__ import annotations

import math
from typing import Any

import keras

from tl_keras.config.schema import PhaseConfig
from tl_keras.training.optimizers.factory import better_is


class EarlyStopping(keras.callbacks.EarlyStopping):
    """Keras's early stopping, which remembers the best epoch from one call of `fit` to the next.

    It ends a stage whose epochs do not improve on the best so far; the model then has the best weights. An
    epoch whose loss is no finite number is never the best, whatever its accuracy.
    """

    def __init__(self, phase: PhaseConfig) -> None:
        super().__init__(
            monitor=phase.monitor,
            mode=better_is(phase),
            patience=phase.early_stopping or 10**9,
            restore_best_weights=True,
        )

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if self.best_weights is None:
            super().on_train_begin(logs)
        self.wait = 0
        self.stopped_epoch = 0

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        logs = logs or {}
        if math.isfinite(logs["loss"]) and math.isfinite(logs["val_loss"]):
            super().on_epoch_end(epoch, logs)
