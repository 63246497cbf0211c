"""Keras's own format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tl_keras.inference.predictor import (
    Floats,
    Pixels,
    Port,
    Predictor,
    make_predictor,
)
from tl_keras.models.saved.embedded_info import read
from tl_keras.models.saved.keras_file import load_keras


def open_keras(path: Path) -> Predictor:
    """Open a `.keras` file.

    Raises:
        ModelError: It is damaged or does not take raw pixels.
    """
    model = load_keras(path)
    # A plain function: `Model.predict` costs much of the throughput in small steps.
    forward = tf.function(lambda images: model(images, training=False), reduce_retracing=True)

    def run(images: Pixels) -> Floats:
        return np.asarray(forward(tf.constant(images)), np.float32)

    return make_predictor(path, read(path), _ports(model, "inputs"), _ports(model, "outputs"), run)


def _ports(model: Any, side: str) -> list[Port]:
    # A subclassed model does not know its own inputs.
    return [Port(tensor.dtype, tuple(tensor.shape)) for tensor in getattr(model, side, None) or []]
