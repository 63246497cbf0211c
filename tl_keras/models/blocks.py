"""The named blocks of a built network, which unfreezing refers to, and what in them may train."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import keras

from tl_keras.models.backbones import Backbone, BlockNames


@dataclass(frozen=True, slots=True)
class Block:
    """A named part of a network: the names of its layers, in graph order."""

    name: str
    layers: tuple[str, ...]


def blocks_of(base: keras.Model, backbone: Backbone) -> tuple[Block, ...]:
    """Return the blocks of `base`, in graph order; every layer is in exactly one.

    A layer whose name tells no block belongs to the block before it. Those before the first block are
    the block `stem`, or part of the first block when they own no weights.
    """
    names = [layer.name for layer in base.layers]
    labels = _by_ends(names, backbone.blocks) if backbone.blocks.ends else _by_names(base, backbone.blocks)
    blocks: dict[str, list[str]] = {}
    for name, label in zip(names, labels, strict=True):
        blocks.setdefault(label, []).append(name)
    return tuple(Block(label, tuple(layers)) for label, layers in blocks.items())


def weights_that_may_train(layer: keras.layers.Layer) -> list[Any]:
    """Return a layer's weights but for the statistics of images: moving ones, and those of Normalization.

    It makes no difference whether the layer is frozen.
    """
    if isinstance(layer, keras.layers.Normalization):
        return []
    if isinstance(layer, keras.layers.BatchNormalization):
        return [weight for weight in (layer.gamma, layer.beta) if weight is not None]
    return list(layer.weights)


def _by_names(base: keras.Model, spec: BlockNames) -> list[str]:
    """Return the block of each layer, where the layers' names begin with it."""
    named = [_block_of(layer.name, spec) for layer in base.layers]
    start = next(index for index, label in enumerate(named) if label)
    has_stem = any(layer.weights for layer in base.layers[:start])
    current = "stem" if has_stem else named[start]
    labels = []
    for label in named:
        current = label or current
        labels.append(current)
    return labels


def _by_ends(names: list[str], spec: BlockNames) -> list[str]:
    """Return the block of each layer, where only a block's last layer names it."""
    current = next(label for name in reversed(names) if (label := _block_of(name, spec)))
    labels = []
    for name in reversed(names):
        current = _block_of(name, spec) or current
        labels.append(current)
    return labels[::-1]


def _block_of(layer: str, spec: BlockNames) -> str:
    match = re.search(spec.pattern, layer)
    return spec.name.format(match.group(1)) if match else ""
