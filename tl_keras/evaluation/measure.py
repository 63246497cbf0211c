"""Measuring a classifier on labelled images, with a progress bar."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tl_keras.console import progress
from tl_keras.data.pipelines import Labelled, evaluation_batches
from tl_keras.evaluation.forward import probabilities
from tl_keras.evaluation.metrics import Floats, score
from tl_keras.evaluation.result import Evaluation
from tl_keras.model_info import Task

BATCH_SIZE = 32


def measure(model: Any, loader: Labelled, task: Task, description: str) -> tuple[Evaluation, Floats]:
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
