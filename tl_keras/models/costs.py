"""What each part of a network costs: weights, and multiply-adds of a forward pass."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import keras

from tl_keras.models.backbones import Backbone
from tl_keras.models.blocks import blocks_of

_KERNELS = ("kernel", "depthwise_kernel", "pointwise_kernel")


@dataclass(frozen=True, slots=True)
class BlockCost:
    """What a block of a network costs.

    Attributes:
        block: Its name.
        layers: Number of its layers that have weights.
        parameters: Number of its single weights, those that never train included.
        multiply_adds: Of a forward pass, for one image.
    """

    block: str
    layers: int
    parameters: int
    multiply_adds: int


def block_costs(base: keras.Model, backbone: Backbone) -> list[BlockCost]:
    """Return the cost of each block of a network of `build_base`, from the input on."""
    costs = []
    for block in blocks_of(base, backbone):
        layers = [base.get_layer(name) for name in block.layers]
        owners = [layer for layer in layers if layer.weights]
        weights = sum(math.prod(weight.shape) for layer in owners for weight in layer.weights)
        costs.append(BlockCost(block.name, len(owners), weights, sum(map(multiply_adds, owners))))
    return costs


def multiply_adds(layer: Any) -> int:
    """Return the multiplications of weights in a layer's forward pass, for one image.

    Each weight of the kernels of a convolution (grouped, depthwise and separable ones too) or of a Dense
    layer is multiplied once for each place of the output, [batch, ..., channels]. Other layers, and biases,
    count as nothing, as is usual.
    """
    if isinstance(layer, keras.Model):
        return sum(map(multiply_adds, layer.layers))
    places = math.prod(layer.output.shape[1:-1])
    return sum(math.prod(kernel.shape) for kernel in _kernels(layer)) * places


def _kernels(layer: Any) -> list[Any]:
    found = (getattr(layer, name, None) for name in _KERNELS)
    return [kernel for kernel in found if kernel is not None]
