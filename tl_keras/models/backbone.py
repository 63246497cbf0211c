"""Building a backbone with the options and weights that were asked for."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import keras

from tl_keras.core.wording import did_you_mean
from tl_keras.errors import ConfigError
from tl_keras.models.backbones import Backbone
from tl_keras.models.imagenet import with_imagenet
from tl_keras.models.tiny import WEIGHTS as TINY_WEIGHTS
from tl_keras.models.tiny import tiny
from tl_keras.models.weights import load_file


def build_base(
    backbone: Backbone, options: Mapping[str, Any], size: int, weights: str, *, frozen: bool = True
) -> keras.Model:
    """Build the network of `backbone` without its classifier, named `backbone`.

    Args:
        backbone: Which network.
        options: Constructor arguments, of those in `backbone.options`.
        size: Height and width of its input, pixels.
        weights: `pretrained`, `none` (random), or a path of a .weights.h5, .h5 or .keras file.
        frozen: Whether nothing in it trains; otherwise all of it does, as from scratch, with
            BatchNormalization on the statistics of its batches and with the network's own dropout.

    Returns:
        A model from preprocessed float32 [batch, size, size, 3] to the last feature map.

    Raises:
        ConfigError: An option or the size does not fit the network.
        ModelError: The weights are missing, damaged or of another network.
    """
    if size < backbone.min_size:
        raise ConfigError(
            f"data.image_size is {size}, but {backbone.name} needs at least {backbone.min_size} pixels."
        )
    arguments = {name: _checked(backbone, name, value) for name, value in options.items()}
    construct = partial(_constructor(backbone), include_top=False, input_shape=(size, size, 3), **arguments)
    title = _title(backbone, arguments)
    if weights == "pretrained" and backbone.source == "imagenet":
        network = with_imagenet(construct, title)
    else:
        network = _random(construct, title)
        if weights != "none":
            load_file(network, _weights_file(weights), title)
    if frozen:
        _switch_off_noise(network)
    base = keras.Model(network.input, network.output, name="backbone")
    base.trainable = not frozen
    return base


def _constructor(backbone: Backbone) -> Any:
    return getattr(keras.applications, backbone.name) if backbone.module else tiny


def _weights_file(weights: str) -> Path:
    return TINY_WEIGHTS if weights == "pretrained" else Path(weights).expanduser()


def _title(backbone: Backbone, arguments: Mapping[str, Any]) -> str:
    listed = ", ".join(f"{name}={value}" for name, value in arguments.items())
    return f"{backbone.name} ({listed})" if listed else backbone.name


def _checked(backbone: Backbone, name: str, value: Any) -> Any:
    """Return an option's value, of the type that the constructor has as its default."""
    if name not in backbone.options:
        known = ", ".join(backbone.options) or "none"
        hint = did_you_mean(name, backbone.options)
        raise ConfigError(f"{backbone.name} has no option {name!r}.{hint} Options it has: {known}.")
    wanted = type(inspect.signature(_constructor(backbone)).parameters[name].default)
    if wanted is bool and isinstance(value, bool):
        return value
    if wanted is not bool and _is_positive(value) and wanted(value) == value:
        return wanted(value)
    kind = {bool: "true or false", int: "a whole number above 0"}.get(wanted, "a number above 0")
    raise ConfigError(f"model.options.{name} of {backbone.name} must be {kind}, found {value!r}.")


def _is_positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf


def _random(construct: partial[keras.Model], title: str) -> keras.Model:
    try:
        return construct(weights=None)
    except ValueError as error:
        raise ConfigError(f"Cannot build {title}: {error}") from error


def _switch_off_noise(network: keras.Model) -> None:
    """Make the layers that drop activations at random pass them on unchanged.

    Calling a network with training=False is not enough: Keras 3 lets the training=True of `fit` override
    it (keras issue 20285). BatchNormalization is safe, being in inference mode while it is not trainable.
    """
    for layer in network.layers:
        for rate in ("rate", "drop_path_rate"):
            if hasattr(layer, rate):
                setattr(layer, rate, 0.0)
