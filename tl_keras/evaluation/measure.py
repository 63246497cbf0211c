"""Measuring a classifier on labelled images, with a progress bar."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tl_keras.console import progress
from tl_keras.data.pipelines import Loader, evaluation_batches
from tl_keras.evaluation.forward import probabilities
from tl_keras.evaluation.metrics import Floats, score
from tl_keras.evaluation.result import Evaluation
from tl_keras.model_info import Task

BATCH_SIZE = 32


def measure(classifier: Any, loader: Loader, task: Task, description: str) -> tuple[Evaluation, Floats]:
    """Return the evaluation and the probabilities, float32 [n, classes], in the loader's order."""
    with progress(description, len(loader)) as advance:
        try:
            outputs, targets = probabilities(classifier, evaluation_batches(loader, BATCH_SIZE), advance)
        except tf.errors.OpError as error:
            raise (loader.failure or error) from error
    return score(outputs, targets, loader.classes, task), outputs
