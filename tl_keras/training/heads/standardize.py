"""Training a head on standardized features, without a trace of it in the classifier."""

from __future__ import annotations

import keras
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]


def on_standardized(head: keras.Model, mean: Floats, deviation: Floats) -> keras.Model:
    """Return a model that standardizes features, float32 [n, D], before the layers of `head` see them."""
    features = keras.Input(head.input.shape[1:])
    scaling = keras.layers.Rescaling(1 / deviation, -mean / deviation, dtype="float32")
    return keras.Model(features, head(scaling(features)))


def fold(head: keras.Model, mean: Floats, deviation: Floats) -> None:
    """Let `head`, trained by `on_standardized`, take features as they are, with the same answers.

    (x - mean) / deviation @ W + b is x @ (W / deviation) + (b - (mean / deviation) @ W).
    """
    first = next(layer for layer in head.layers if isinstance(layer, keras.layers.Dense))
    kernel, bias = first.get_weights()
    scaled = kernel / deviation[:, None]
    first.set_weights([scaled, bias - mean @ scaled])
