"""Early stopping and the best weights, over all stages of a phase."""

from __future__ import annotations

from typing import Any

import keras

from tl_keras.config import PhaseConfig


class Best(keras.callbacks.EarlyStopping):
    """Keras's early stopping, which remembers the best epoch from one call of `fit` to the next.

    It ends a stage whose epochs do not improve on the best so far; the model then has the best weights.
    """

    def __init__(self, phase: PhaseConfig) -> None:
        super().__init__(
            monitor=phase.monitor,
            mode="min" if phase.monitor == "val_loss" else "max",
            patience=phase.early_stopping or 10**9,
            restore_best_weights=True,
        )

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        if self.best_weights is None:
            super().on_train_begin(logs)
        self.wait = 0
        self.stopped_epoch = 0
