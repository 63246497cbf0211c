"""A learning rate for each block of the backbone and for the head."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from types import MappingProxyType
from typing import Any

import keras

from tl_keras.core.wording import did_you_mean
from tl_keras.errors import ConfigError
from tl_keras.models.backbones import Backbone
from tl_keras.models.blocks import blocks_of, weights_that_may_train
from tl_keras.models.classifier import backbone_of, head_of

HEAD = "head"


@dataclass(frozen=True, slots=True)
class LayerRates:
    """By what the learning rate is multiplied, for all weights that may train, whether or not they do now.

    Attributes:
        blocks: Block, or `head` -> factor; from the input on.
        factors: The same by weight: its `path`, which is unique in a classifier -> factor.
    """

    blocks: Mapping[str, float]
    factors: Mapping[str, float]


def layer_rates(
    classifier: keras.Model,
    backbone: Backbone,
    *,
    learning_rate: float,
    decay: float = 1.0,
    table: Mapping[str, float] = MappingProxyType({}),
) -> LayerRates:
    """Give each block its learning rate.

    Parts of a classifier that share its layers (see `split_at_freeze_boundary`) have the same paths.

    Args:
        classifier: A model of `build_classifier`.
        backbone: What it is built on.
        learning_rate: The rate that is multiplied: the head's, where `table` does not name it.
        decay: Each block learns at this many times the rate of the one above it, the top block at this many
            times `learning_rate` (discriminative fine-tuning, Howard & Ruder 2018). Blocks without weights
            that may train are passed over.
        table: Block, or `head` -> its rate itself, whatever `decay` is.

    Raises:
        ConfigError: `table` names something else.
    """
    layers = _layers_by_block(classifier, backbone)
    _require_known(table, list(layers), backbone)
    blocks = {
        name: table[name] / learning_rate if name in table else decay**below_head
        for below_head, name in zip(reversed(range(len(layers))), layers, strict=True)
    }
    factors = {
        weight.path: blocks[name]
        for name, owned in layers.items()
        for layer in owned
        for weight in weights_that_may_train(layer)
    }
    return LayerRates(MappingProxyType(blocks), MappingProxyType(factors))


def describe_training(
    classifier: keras.Model, backbone: Backbone, rates: LayerRates, learning_rate: float
) -> list[str]:
    """Return what is frozen and what trains at which rate, as the model is now: aligned lines such as

        frozen   stem to block_15     96 layers       199,120 weights
        trains   block_16 to Conv_1   2 of 4 layers   162,176 weights   rate 1e-05
        trains   head                 1 layer          12,810 weights   rate 0.001

    Neighbouring blocks that learn alike share a line. Layers without weights are not counted, nor is frozen
    BatchNormalization in what trains.
    """
    parts = _parts(classifier, backbone, rates, learning_rate)
    rows = [_row(list(alike)) for _, alike in groupby(parts, lambda part: part.kind)]
    return _aligned(rows)


@dataclass(frozen=True, slots=True)
class _Part:
    """A block, or the head, before training; `rate` is None where all of it is frozen.

    `layers` of `may_train` layers train, with so many `weights`; of what is frozen all are counted.
    """

    name: str
    layers: int
    may_train: int
    weights: int
    rate: float | None

    @property
    def kind(self) -> tuple[bool, bool, float | None]:
        """What parts in one line have in common."""
        return self.name == HEAD, self.layers == self.may_train, self.rate


def _parts(
    classifier: keras.Model, backbone: Backbone, rates: LayerRates, learning_rate: float
) -> list[_Part]:
    by_block = _layers_by_block(classifier, backbone)
    affine = any(map(_trains, filter(_is_batchnorm, backbone_of(classifier).layers)))
    parts = []
    for name, layers in by_block.items():
        training = [layer for layer in layers if _trains(layer)]
        may_train = [layer for layer in layers if affine or not _is_batchnorm(layer)]
        if training:
            rate = rates.blocks[name] * learning_rate
            parts.append(_Part(name, len(training), len(may_train), _size(training, trains=True), rate))
        else:
            parts.append(_Part(name, len(layers), len(layers), _size(layers, trains=False), None))
    return parts


def _row(alike: Sequence[_Part]) -> tuple[str, ...]:
    """Return the cells of a line: state, span, layers, weights, rate."""
    first, last = alike[0], alike[-1]
    layers, may_train = (
        sum(counts) for counts in zip(*((p.layers, p.may_train) for p in alike), strict=True)
    )
    return (
        "frozen" if first.rate is None else "trains",
        first.name if first is last else f"{first.name} to {last.name}",
        f"{layers}",
        ("" if layers == may_train else f"of {may_train} ") + ("layer" if may_train == 1 else "layers"),
        f"{sum(part.weights for part in alike):,}",
        "" if first.rate is None else f"rate {first.rate:.2g}",
    )


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Join cells with two spaces, numbers to the right and their units close by."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        f"{state:<{widths[0]}}   {span:<{widths[1]}}   {layers:>{widths[2]}} {of:<{widths[3]}}   "
        f"{weights:>{widths[4]}} weights   {rate}".rstrip()
        for state, span, layers, of, weights, rate in rows
    ]


def _layers_by_block(classifier: keras.Model, backbone: Backbone) -> dict[str, list[Any]]:
    """Return each block that has weights that may train, and `head` -> its layers with such weights."""
    base = backbone_of(classifier)
    parts = {
        block.name: [base.get_layer(name) for name in block.layers] for block in blocks_of(base, backbone)
    }
    parts[HEAD] = head_of(classifier).layers
    owned = {name: [layer for layer in part if weights_that_may_train(layer)] for name, part in parts.items()}
    return {name: layers for name, layers in owned.items() if layers}


def _require_known(table: Mapping[str, float], names: Sequence[str], backbone: Backbone) -> None:
    unknown = [name for name in table if name not in names]
    if unknown:
        raise ConfigError(
            f"layer_lr names {unknown[0]!r}, which is no block of {backbone.name}."
            f"{did_you_mean(unknown[0], names)}\nExpected some of: {', '.join(names)}"
        )


def _trains(layer: Any) -> bool:
    return any(weight.trainable for weight in weights_that_may_train(layer))


def _is_batchnorm(layer: Any) -> bool:
    return isinstance(layer, keras.layers.BatchNormalization)


def _size(layers: Sequence[Any], *, trains: bool) -> int:
    """Return the number of single weights that train, or that do not."""
    weights = [weight for layer in layers for weight in layer.weights if weight.trainable == trains]
    return sum(math.prod(weight.shape) for weight in weights)
