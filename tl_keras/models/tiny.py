"""Tiny: our own small network for small images, and its weights, which are shipped with the package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras

WEIGHTS = Path(__file__).parent / "pretrained" / "tiny" / "backbone.weights.h5"
WIDTHS = (64, 160, 176)
STEM_WIDTH = 24


def tiny(*, include_top: bool, input_shape: tuple[int, int, int], weights: None) -> keras.Model:
    """Build the network, with random weights and the signature of `keras.applications`.

    A 2x2 stem, then three blocks that each halve the image: two 3x3 convolutions, the second one inside a
    skip connection. It is shallow and wide, because a CPU trains few large convolutions faster than many
    small ones: 69 million multiply-adds and 0.9 million weights at 32x32 pixels. Its features are those of
    the last two blocks, since what the middle of a network sees is of more use for other kinds of images
    than its end (Yosinski et al. 2014); here they tell handwritten digits apart far better.

    Source: the plan of Jordan 2024, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU" (arXiv 2404.00498),
    with the skip connections of He et al. 2015, ReLU and smaller widths.

    Args:
        include_top: False; it has no classifier of its own.
        input_shape: (height, width, 3), at least 32 pixels.
        weights: None; `models.base` loads the shipped ones.

    Returns:
        A model from float32 [batch, H, W, 3] in [-1, 1] to features [batch, (H - 1) // 8, (W - 1) // 8, 336].
    """
    assert not include_top and weights is None
    pixels = keras.Input(input_shape)
    x = keras.layers.Conv2D(STEM_WIDTH, 2, activation="relu", name="stem_conv")(pixels)
    x = _block(x, WIDTHS[0], "block1")
    middle = _block(x, WIDTHS[1], "block2")
    last = _block(middle, WIDTHS[2], "block3")
    middle = keras.layers.AveragePooling2D(2, name="block3_middle")(middle)
    features = keras.layers.Concatenate(name="block3_features")([middle, last])
    return keras.Model(pixels, features, name="tiny")


def _block(x: Any, width: int, name: str) -> Any:
    x = _convolution(x, width, f"{name}_conv1")
    x = keras.layers.MaxPooling2D(name=f"{name}_pool")(x)  # before the norm, which then costs a quarter
    x = skipped = _norm_relu(x, f"{name}_conv1")
    x = _norm(_convolution(x, width, f"{name}_conv2"), f"{name}_conv2")
    x = keras.layers.Add(name=f"{name}_add")([x, skipped])
    return keras.layers.ReLU(name=f"{name}_out")(x)


def _convolution(x: Any, width: int, name: str) -> Any:
    return keras.layers.Conv2D(width, 3, padding="same", use_bias=False, name=name)(x)


def _norm(x: Any, name: str) -> Any:
    # The statistics follow within tens of steps: trainings of such a network are short.
    return keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_bn")(x)


def _norm_relu(x: Any, name: str) -> Any:
    return keras.layers.ReLU(name=f"{name}_relu")(_norm(x, name))
