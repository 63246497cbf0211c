"""Which part of the backbone trains."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import keras

from tl_keras.errors import ConfigError, did_you_mean
from tl_keras.models.assemble import backbone_of
from tl_keras.models.backbones import Backbone
from tl_keras.models.blocks import Block, blocks_of


@dataclass(frozen=True, slots=True)
class Unfrozen:
    """What of the backbone trains.

    Attributes:
        layers: Number of layers with weights that train.
        parameters: Number of single weights that train.
        first_layer: Name of the first of those layers, in graph order.
        blocks: Names of the blocks that they are in, in graph order.
    """

    layers: int
    parameters: int
    first_layer: str
    blocks: tuple[str, ...]

    def describe(self) -> str:
        """Return a line such as `conv5 (10 layers, 14,964,736 weights, from conv5_block1_1_conv on)`."""
        first, last = self.blocks[0], self.blocks[-1]
        span = first if first == last else f"{first} to {last}"
        return f"{span} ({self.layers} layers, {self.parameters:,} weights, from {self.first_layer} on)"


def freeze(classifier: keras.Model) -> None:
    """Freeze the whole backbone; the head is left as it is."""
    base = backbone_of(classifier)
    _set_trainable(base, set())
    base.trainable = False


def unfreeze(
    classifier: keras.Model, backbone: Backbone, where: str, train_batchnorm_affine: bool = False
) -> Unfrozen:
    """Let part of the backbone train, and freeze the rest of it; compile the model again afterwards.

    BatchNormalization stays in inference mode: its moving statistics never change. Which layers train is
    not saved with a model, as far as `train_batchnorm_affine` goes: call this again after loading one.

    Args:
        classifier: A model of `build_classifier`.
        backbone: What it is built on.
        where: `all`; `last:0.3`, a share in (0, 1] of the layers whose weights may train, from the end,
            at least one; or `from:NAME`, a block or a layer, which trains with everything after it.
        train_batchnorm_affine: Train BatchNormalization's gamma and beta in that part too.

    Raises:
        ConfigError: `where` is none of these, or names nothing of the backbone that could train.
    """
    base = backbone_of(classifier)
    blocks = blocks_of(base, backbone)
    may_train = [layer.name for layer in base.layers if _may_train(layer, train_batchnorm_affine)]
    chosen = _chosen(base, blocks, may_train, where)
    training = [name for name in may_train if name in chosen]
    if not training:
        raise ConfigError(f"Nothing in {where!r} of {backbone.name} has weights that could be trained.")
    _set_trainable(base, set(training))
    return Unfrozen(
        layers=len(training),
        parameters=sum(math.prod(weight.shape) for weight in base.trainable_variables),
        first_layer=training[0],
        blocks=tuple(block.name for block in blocks if not set(training).isdisjoint(block.layers)),
    )


def _may_train(layer: keras.layers.Layer, train_batchnorm_affine: bool) -> bool:
    if isinstance(layer, keras.layers.BatchNormalization):
        return train_batchnorm_affine
    return bool(layer.weights) and not isinstance(layer, keras.layers.Normalization)


def _chosen(base: keras.Model, blocks: Sequence[Block], may_train: Sequence[str], where: str) -> set[str]:
    """Return the names of the layers that `where` means, with and without weights."""
    kind, _, value = where.partition(":")
    if where == "all":
        return set(may_train)
    if kind == "last":
        return set(may_train[-_how_many(value, len(may_train), where) :])
    if kind == "from" and value:
        return _from(value, blocks, [layer.name for layer in base.layers])
    raise _unknown_place(where)


def _how_many(share: str, total: int, where: str) -> int:
    try:
        number = float(share)
    except ValueError:
        raise _unknown_place(where) from None
    if not 0 < number <= 1:
        raise ConfigError(f"The share in {where!r} must be above 0 and at most 1.")
    return max(1, round(number * total))


def _from(name: str, blocks: Sequence[Block], layers: Sequence[str]) -> set[str]:
    names = [block.name for block in blocks]
    if name in names:
        return {layer for block in blocks[names.index(name) :] for layer in block.layers}
    if name in layers:
        return set(layers[layers.index(name) :])
    raise ConfigError(
        f"There is no block or layer {name!r}.{did_you_mean(name, [*names, *layers])}\n"
        f"Blocks: {', '.join(names)}"
    )


def _unknown_place(where: str) -> ConfigError:
    return ConfigError(
        "Expected `all`, `last:SHARE` such as last:0.3, or `from:BLOCK_OR_LAYER` for what to unfreeze; "
        f"found {where!r}."
    )


def _set_trainable(base: keras.Model, training: set[str]) -> None:
    base.trainable = True  # sets every layer below it too, so it comes first
    for layer in base.layers:
        trains = layer.name in training
        if isinstance(layer, keras.layers.BatchNormalization):
            _set_batchnorm(layer, trains)
        else:
            layer.trainable = trains


def _set_batchnorm(layer: keras.layers.BatchNormalization, trains: bool) -> None:
    """Let gamma and beta train without the layer: a trainable layer normalises by its batch's statistics."""
    layer.trainable = False
    for weight in (layer.gamma, layer.beta):
        if weight is not None:
            weight.trainable = trains
