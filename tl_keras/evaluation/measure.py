"""Measuring a classifier on labeled images, with a progress bar."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary, ref

import numpy as np
import tensorflow as tf

from tl_keras.core.console import progress
from tl_keras.core.types import Floats, Task
from tl_keras.data.batches import evaluation_batches
from tl_keras.data.loaders import Loader
from tl_keras.evaluation.evaluation import Evaluation
from tl_keras.evaluation.metrics import score

BATCH_SIZE = 32


def measure(model: Any, loader: Loader, task: Task, description: str) -> tuple[Evaluation, Floats]:
    """Return the evaluation and the probabilities, float32 [n, classes], in the loader's order.

    Args:
        model: From the loader's rows, images or features, to probabilities.
        loader: What is evaluated.
        task: Multi-class or multi-label.
        description: For the progress bar.
    """
    with progress(description, len(loader)) as advance:
        try:
            outputs, targets = probabilities(model, evaluation_batches(loader, BATCH_SIZE), advance)
        except tf.errors.OpError as error:
            raise (loader.failure or error) from error
    return score(outputs, targets, loader.classes, task), outputs


def probabilities(
    model: Any, batches: tf.data.Dataset, on_progress: Callable[[int], None] | None = None
) -> tuple[Floats, Floats]:
    """Return (probabilities, targets), both float32 [n, classes], in the order of the dataset.

    A plain `tf.function`: `Model.predict` costs about 40 % of the throughput in small steps.
    """
    forward = _forward(model, batches.element_spec[0])
    outputs, targets = [], []
    for rows, target in batches:
        outputs.append(forward(rows).numpy())
        targets.append(target.numpy())
        if on_progress:
            on_progress(len(target))
    return np.concatenate(outputs), np.concatenate(targets)


_FUNCTIONS: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()
"""Model -> the `tf.function` of it: to trace it takes longer than to evaluate it on some hundred images."""


def _forward(model: Any, rows: tf.TensorSpec) -> Any:
    """Return a model in inference mode as a function of such rows, which is traced once."""
    if model not in _FUNCTIONS:
        this: Any = ref(model)  # a function that held its model would keep the entry for ever
        _FUNCTIONS[model] = tf.function(lambda rows: this()(rows, training=False))
    return _FUNCTIONS[model].get_concrete_function(rows)
