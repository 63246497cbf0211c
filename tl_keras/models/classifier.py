"""The classifier: pixels in, preprocessing, backbone, pooling, head, probabilities out."""

from __future__ import annotations

from typing import Any

import keras

from tl_keras.config.schema import HeadConfig, ModelConfig
from tl_keras.core.types import Task
from tl_keras.models.backbone import build_base
from tl_keras.models.backbones import find
from tl_keras.models.preprocessing import preprocess
from tl_keras.models.weights import set_weights


def build_classifier(
    model: ModelConfig,
    head: HeadConfig,
    *,
    image_size: int | None,
    classes: int,
    task: Task,
    frozen: bool = True,
) -> keras.Model:
    """Build a classifier: a backbone and a head on top of it.

    Args:
        model: Backbone, its options, weights and pooling.
        head: Hidden layers and dropout.
        image_size: Height and width of the input, pixels; None for the backbone's own.
        classes: Number of outputs.
        task: `multiclass` ends in a softmax, `multilabel` in a sigmoid per class.
        frozen: Whether only the head trains; otherwise all trains, as from scratch.

    Returns:
        A model from `image`, uint8 RGB [batch, H, W, 3] in 0..255, to `probabilities`, float32
        [batch, classes], also under mixed precision. Saved as .keras it loads without this package.

    Raises:
        ConfigError: The backbone, an option or the image size does not exist or does not fit.
        ModelError: The weights are missing, damaged or of another network.
    """
    return with_head(build_trunk(model, image_size, frozen=frozen), head, classes=classes, task=task)


def build_trunk(model: ModelConfig, image_size: int | None, *, frozen: bool = True) -> keras.Model:
    """Build all of a classifier but its head: uint8 [batch, H, W, 3] to pooled features [batch, D].

    See `build_classifier`.
    """
    backbone = find(model.backbone)
    size = image_size if image_size is not None else backbone.default_size
    base = build_base(backbone, model.options, size, model.weights, frozen=frozen)
    image = keras.Input((size, size, 3), dtype="uint8", name="image")
    pixels = preprocess(image, backbone.preprocessing)
    features = base(pixels, training=False) if frozen else base(pixels)
    return keras.Model(image, _pool(features, model), name="trunk")


def with_head(trunk: keras.Model, head: HeadConfig, *, classes: int, task: Task) -> keras.Model:
    """Return a classifier of the layers of `trunk` and a new head."""
    return keras.Model(trunk.input, _head(trunk.output, head, classes, task), name="classifier")


def trunk_of(classifier: keras.Model) -> keras.Model:
    """Return the part of a classifier that makes pooled features of images, with the same layers."""
    return keras.Model(classifier.input, classifier.get_layer("pooling").output, name="trunk")


def head_of(classifier: keras.Model) -> keras.Model:
    """Return the part that makes probabilities of pooled features, with the same layers."""
    return keras.Model(classifier.get_layer("pooling").output, classifier.output, name="head")


def backbone_of(classifier: keras.Model) -> keras.Model:
    """Return the network inside a model of `build_classifier`, also after it was saved and loaded."""
    return classifier.get_layer("backbone")


def as_float32(classifier: keras.Model) -> keras.Model:
    """Return an equal model that computes in float32, for export after training in mixed precision."""
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        copy = keras.Model.from_config(_in_float32(classifier.get_config()))
    finally:
        keras.config.set_dtype_policy(policy)
    set_weights(copy, classifier.get_weights())
    return copy


def _pool(features: keras.KerasTensor, model: ModelConfig) -> keras.KerasTensor:
    if model.pooling == "max":
        return keras.layers.GlobalMaxPooling2D(name="pooling")(features)
    return keras.layers.GlobalAveragePooling2D(name="pooling")(features)


def _head(x: keras.KerasTensor, head: HeadConfig, classes: int, task: Task) -> keras.KerasTensor:
    for index, width in enumerate(head.hidden, start=1):
        x = _dropout(x, head.dropout, f"dropout_{index}")
        x = keras.layers.Dense(width, activation=head.activation, name=f"hidden_{index}")(x)
    x = _dropout(x, head.dropout, "dropout")
    activation = "sigmoid" if task == "multilabel" else "softmax"
    # From zeros: all classes are equally probable, and no direction of the features is preferred by chance.
    output = keras.layers.Dense(
        classes, activation, kernel_initializer="zeros", dtype="float32", name="probabilities"
    )
    return output(x)


def _dropout(x: keras.KerasTensor, rate: float, name: str) -> keras.KerasTensor:
    return keras.layers.Dropout(rate, name=name)(x) if rate else x


def _in_float32(config: Any) -> Any:
    """Return a layer's configuration with every mixed precision policy replaced by float32."""
    if isinstance(config, dict):
        return {key: _in_float32(value) for key, value in config.items()}
    if isinstance(config, list | tuple):
        return type(config)(_in_float32(value) for value in config)
    return "float32" if config in ("mixed_float16", "mixed_bfloat16") else config
