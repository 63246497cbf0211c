"""Which part of the backbone trains."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import keras
import yaml

from tl_keras.core.wording import did_you_mean
from tl_keras.errors import ConfigError
from tl_keras.models.backbones import Backbone
from tl_keras.models.blocks import Block, blocks_of, weights_that_may_train
from tl_keras.models.classifier import backbone_of


@dataclass(frozen=True, slots=True)
class Unfrozen:
    """What of the backbone trains.

    Attributes:
        layers: Number of layers with weights that train.
        parameters: Number of single weights that train.
        first_layer: Name of the first of those layers, in graph order; empty when none trains.
        blocks: Names of the blocks that they are in, in graph order.
    """

    layers: int
    parameters: int
    first_layer: str
    blocks: tuple[str, ...]

    def describe(self) -> str:
        """Return a line such as `conv5 (10 layers, 14,964,736 weights, from conv5_block1_1_conv on)`."""
        if not self.layers:
            return "nothing of the backbone, only the head trains"
        first, last = self.blocks[0], self.blocks[-1]
        span = first if first == last else f"{first} to {last}"
        layers = "1 layer" if self.layers == 1 else f"{self.layers} layers"
        return f"{span} ({layers}, {self.parameters:,} weights, from {self.first_layer} on)"


def unfreeze(
    classifier: keras.Model, backbone: Backbone, spec: str | Sequence[str], *, affine: bool = False
) -> Unfrozen:
    """Let the head and part of the backbone train, and freeze the rest; compile the model again afterwards.

    It is `resolve_unfreeze`, then `set_trainable`; see there.

    Raises:
        ConfigError: `spec` names nothing of the backbone that could train. The model stays as it was.
    """
    chosen = resolve_unfreeze(classifier, backbone, spec, affine=affine)
    set_trainable(classifier, chosen)
    base = backbone_of(classifier)
    training = [layer.name for layer in base.layers if layer.name in chosen]
    return Unfrozen(
        layers=len(training),
        parameters=sum(math.prod(weight.shape) for weight in base.trainable_variables),
        first_layer=training[0] if training else "",
        blocks=tuple(b.name for b in blocks_of(base, backbone) if not chosen.isdisjoint(b.layers)),
    )


def resolve_unfreeze(
    classifier: keras.Model, backbone: Backbone, spec: str | Sequence[str], *, affine: bool = False
) -> frozenset[str]:
    """Return the names of the backbone's layers that `spec` lets train, all of which have weights.

    Args:
        classifier: A model of `build_classifier`; it is not changed.
        backbone: What it is built on.
        where: One of

            - `all`, or `none` for the head alone;
            - `last:0.3`, a share in (0, 1] of the layers that may train, from the end, at least one;
            - `blocks:2`, so many of the blocks that own such layers, from the end;
            - `from:NAME`, a block or a layer, with everything after it;
            - `NAME`, a block or a layer, just that one;
            - regular expressions, as a sequence or as text in brackets, `[conv5_.*, conv4_block6_.*]`, which
              is read as YAML: the layers whose whole names one of them matches (`re.fullmatch`).
        affine: BatchNormalization may train too: its gamma and beta.

    Raises:
        ConfigError: `spec` is none of these, or it or one of its expressions names nothing that could train.
    """
    base = backbone_of(classifier)
    blocks = blocks_of(base, backbone)
    layers = [layer.name for layer in base.layers]
    may_train = [layer.name for layer in base.layers if _may_train(layer, affine)]
    if isinstance(spec, str) and not spec.startswith("["):
        named = {spec: _place(spec, blocks, layers, may_train)}
    else:
        named = {expression: _matching(expression, layers) for expression in _expressions(spec)}
    for part, names in named.items():
        if names.isdisjoint(may_train) and part != "none":
            raise ConfigError(f"Nothing in {part!r} of {backbone.name} has weights that could be trained.")
    return frozenset(name for name in may_train if any(name in names for names in named.values()))


def set_trainable(classifier: keras.Model, layers: Collection[str]) -> None:
    """Let the head and some layers of the backbone train, and freeze the rest; may be called again and again.

    BatchNormalization stays in inference mode: its moving statistics never change. Which of its gammas and
    betas train is not saved with a model: call this again after loading one.

    Args:
        classifier: A model of `build_classifier`; compile it again afterwards.
        layers: Names of layers of the backbone, as `resolve_unfreeze` returns them.
    """
    for layer in classifier.layers:  # not `classifier`: Keras passes nothing down that was so before
        layer.trainable = True
    for layer in backbone_of(classifier).layers:
        trains = layer.name in layers
        if isinstance(layer, keras.layers.BatchNormalization):
            _set_batchnorm(layer, trains)
        else:
            layer.trainable = trains


def _set_batchnorm(layer: keras.layers.BatchNormalization, trains: bool) -> None:
    """Let gamma and beta train without the layer: a trainable layer normalizes by its batch's statistics."""
    layer.trainable = False
    for weight in weights_that_may_train(layer):
        weight.trainable = trains


def _may_train(layer: keras.layers.Layer, affine: bool) -> bool:
    if isinstance(layer, keras.layers.BatchNormalization) and not affine:
        return False
    return bool(weights_that_may_train(layer))


def _place(spec: str, blocks: Sequence[Block], layers: Sequence[str], may_train: Sequence[str]) -> set[str]:
    """Return the names of the layers that `spec` means, with and without weights."""
    kind, colon, value = spec.partition(":")
    if spec in ("all", "none"):
        return set(layers) if spec == "all" else set()
    if kind == "last":
        return set(may_train[-_how_many(value, len(may_train), spec) :])
    if kind == "blocks":
        return _last_blocks(value, blocks, may_train, spec)
    if kind == "from" and value:
        return _after(value, blocks, layers)
    if spec and not colon:
        return _one(spec, blocks, layers)
    raise _unknown_place(spec)


def _how_many(share: str, total: int, spec: str) -> int:
    try:
        number = float(share)
    except ValueError:
        raise _unknown_place(spec) from None
    if not 0 < number <= 1:
        raise ConfigError(f"The share in {spec!r} must be above 0 and at most 1.")
    return max(1, round(number * total))


def _last_blocks(count: str, blocks: Sequence[Block], may_train: Sequence[str], spec: str) -> set[str]:
    owners = [block for block in blocks if not set(may_train).isdisjoint(block.layers)]
    try:
        number = int(count)
    except ValueError:
        raise _unknown_place(spec) from None
    if not 1 <= number <= len(owners):
        names = ", ".join(block.name for block in owners)
        raise ConfigError(f"The number of blocks in {spec!r} must be 1 to {len(owners)}: {names}")
    return {layer for block in owners[-number:] for layer in block.layers}


def _after(name: str, blocks: Sequence[Block], layers: Sequence[str]) -> set[str]:
    names = [block.name for block in blocks]
    if name in names:
        return {layer for block in blocks[names.index(name) :] for layer in block.layers}
    if name in layers:
        return set(layers[layers.index(name) :])
    raise ConfigError(_no_such_name(name, blocks, layers))


def _one(name: str, blocks: Sequence[Block], layers: Sequence[str]) -> set[str]:
    for block in blocks:
        if name == block.name:
            return set(block.layers)
    if name in layers:
        return {name}
    raise ConfigError(f"{_no_such_name(name, blocks, layers)}\n{_FORMS}.")


def _no_such_name(name: str, blocks: Sequence[Block], layers: Sequence[str]) -> str:
    names = [block.name for block in blocks]
    hint = did_you_mean(name, [*names, *layers])
    return f"There is no block or layer {name!r}.{hint}\nBlocks: {', '.join(names)}"


def _expressions(spec: str | Sequence[str]) -> Sequence[str]:
    """Return the expressions of a sequence, or of a list in YAML."""
    if isinstance(spec, str):
        try:
            spec = yaml.safe_load(spec)
        except (yaml.YAMLError, ValueError):
            raise ConfigError(
                f"{spec!r} is not a list such as [conv5_.*, conv4_block6_.*].\n"
                "An expression with brackets, braces or commas in it needs quotes: ['block_1[0-5]_.*']"
            ) from None
    if not spec or not all(isinstance(expression, str) for expression in spec):
        raise _unknown_place(spec)
    return spec


def _matching(expression: str, layers: Sequence[str]) -> set[str]:
    try:
        pattern = re.compile(expression)
    except (re.error, OverflowError) as error:
        raise ConfigError(f"{expression!r} is not a regular expression: {error}.") from None
    found = {name for name in layers if pattern.fullmatch(name)}
    if not found:
        raise ConfigError(
            f"No layer's whole name matches {expression!r}.{did_you_mean(expression, layers)}\n"
            "All that begin with conv5_ are matched by conv5_.*"
        )
    return found


_FORMS = (
    "Expected `all`, `none`, `last:SHARE` such as last:0.3, `blocks:NUMBER`, "
    "`from:BLOCK_OR_LAYER`, a block, a layer, or regular expressions for names of layers such as [conv5_.*], "
    "for what to unfreeze"
)


def _unknown_place(spec: object) -> ConfigError:
    return ConfigError(f"{_FORMS}; found {spec!r}.")
