"""Keras's own format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tl_keras.inference.info import read
from tl_keras.inference.kind import damaged
from tl_keras.inference.predictor import Floats, Pixels, Port, Predictor, make_predictor
from tl_keras.quiet import quiet_fd


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


def load_keras(path: Path) -> Any:
    """Return the Keras model in a `.keras` file, not compiled.

    Raises:
        ModelError: It is damaged.
        OSError: It cannot be read, or unpacked for lack of space.
    """
    with quiet_fd():
        try:
            return keras.saving.load_model(path, compile=False)
        except OSError as error:
            if error.errno is not None:  # h5py raises OSError without a number for damaged files
                raise
            raise damaged(path, ".keras file", error) from error
        except Exception as error:  # Keras raises whatever the damage makes it stumble over
            raise damaged(path, ".keras file", error) from error


def _ports(model: Any, side: str) -> list[Port]:
    # A subclassed model does not know its own inputs.
    return [Port(tensor.dtype, tuple(tensor.shape)) for tensor in getattr(model, side, None) or []]
