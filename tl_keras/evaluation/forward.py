"""Running a classifier over a dataset."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from tl_keras.evaluation.metrics import Floats


def probabilities(
    model: Any, batches: tf.data.Dataset, on_progress: Callable[[int], None] | None = None
) -> tuple[Floats, Floats]:
    """Return (probabilities, targets), both float32 [n, classes], in the order of the dataset.

    A plain `tf.function`: `Model.predict` costs about 40 % of the throughput in small steps.
    """
    forward = tf.function(lambda rows: model(rows, training=False), reduce_retracing=True)
    outputs, targets = [], []
    for rows, target in batches:
        outputs.append(forward(rows).numpy())
        targets.append(target.numpy())
        if on_progress:
            on_progress(len(target))
    return np.concatenate(outputs), np.concatenate(targets)
