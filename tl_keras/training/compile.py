"""Optimizer, loss and metrics of a training."""

from __future__ import annotations

from typing import Any

import keras

from tl_keras.core.types import THRESHOLD
from tl_keras.training.optimizers.factory import make_optimizer
from tl_keras.training.spec import BatchSize, TrainSpec

MOST_TOGETHER = 64


def compile_model(spec: TrainSpec, size: BatchSize, steps: int) -> None:
    """Compile a spec's model, with a new optimizer for what trains in it now.

    Args:
        spec: The model and its settings.
        size: Of a batch.
        steps: Batches per epoch.
    """
    multilabel = spec.task == "multilabel"
    loss = keras.losses.BinaryCrossentropy if multilabel else keras.losses.CategoricalCrossentropy
    together = _steps_together(steps) if spec.short_steps and spec.device.replicas == 1 else 1
    spec.model.compile(
        optimizer=make_optimizer(
            spec.phase,
            steps,
            epochs=spec.epochs,
            images_per_step=size.images,
            accumulate=size.accumulate,
            factors=spec.layer_rates,
            anchored=spec.anchored,
            l2_sp=spec.l2_sp,
        ),
        loss=loss(label_smoothing=spec.phase.label_smoothing),
        metrics=[keras.metrics.MeanMetricWrapper(_all_right if multilabel else _right, name="accuracy")],
        jit_compile=spec.device.jit_compile,
        steps_per_execution=together,
    )


def _steps_together(steps: int) -> int:
    """Return how many steps TensorFlow does between two looks of Keras.

    It divides the steps of an epoch, so that no call reaches into the next one. Several replicas cannot do
    more than one: Keras's loop over several fails on a distributed iterator.
    """
    return max(number for number in range(1, MOST_TOGETHER + 1) if steps % number == 0)


def _right(targets: Any, probabilities: Any) -> Any:
    """Return float32 [n]: 1 where the most probable class is the target's."""
    return keras.metrics.categorical_accuracy(targets, probabilities)


def _all_right(targets: Any, probabilities: Any) -> Any:
    """Return bool [n]: whether all classes of an image are right, as the final evaluation counts."""
    chosen = keras.ops.cast(probabilities >= THRESHOLD, targets.dtype)
    return keras.ops.all(chosen == targets, axis=-1)
