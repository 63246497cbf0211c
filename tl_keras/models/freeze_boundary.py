"""The freeze boundary: the place in a network below which nothing trains.

A network can be cut only where a single tensor carries everything from the input to the output: in a
ResNet after a block's addition, not inside the block. Such places are the dominators of the output in the
graph (Prosser 1959).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras

from tl_keras.models.classifier import backbone_of, head_of


@dataclass(frozen=True, slots=True)
class BoundarySplit:
    """A classifier in two parts that share its layers.

    Attributes:
        layer: The backbone's layer whose output is the boundary.
        frozen: Images, uint8 [batch, H, W, 3], to activations at the boundary; nothing in it trains.
        trainable: These activations, as float32, to probabilities.
    """

    layer: str
    frozen: keras.Model
    trainable: keras.Model


def split_at_freeze_boundary(classifier: keras.Model) -> BoundarySplit | None:
    """Cut a classifier at the highest place below everything that trains; None if that is its input."""
    base = backbone_of(classifier)
    boundary = _boundary(base)
    if boundary is None:
        return None
    pooling = classifier.get_layer("pooling")
    pixels = _inputs_of(pooling.input)[0]
    frozen = keras.Model(classifier.input, keras.Model(base.input, boundary)(pixels), name="frozen")
    activations = keras.Input(boundary.shape[1:], dtype="float32")
    top = activations if boundary is base.output else keras.Model(boundary, base.output)(activations)
    trainable = keras.Model(activations, head_of(classifier)(pooling(top)), name="trainable")
    return BoundarySplit(_layer_of(boundary).name, frozen, trainable)


def _boundary(base: keras.Model) -> Any:
    """Return the last tensor that all paths cross and that depends on nothing that trains, or None."""
    dominators: dict[int, list[Any]] = {}  # of each tensor, in the order of the graph, itself last
    trained: set[int] = set()  # tensors that depend on a layer that trains
    for tensor in _in_order(base.output):
        inputs = _inputs_of(tensor)
        shared = set.intersection(*({id(t) for t in dominators[id(i)]} for i in inputs)) if inputs else set()
        first = dominators[id(inputs[0])] if inputs else []
        dominators[id(tensor)] = [t for t in first if id(t) in shared] + [tensor]
        if any(id(i) in trained for i in inputs) or _trains(_layer_of(tensor)):
            trained.add(id(tensor))
    frozen = [tensor for tensor in dominators[id(base.output)] if id(tensor) not in trained]
    return frozen[-1] if len(frozen) > 1 else None


def _in_order(output: Any) -> list[Any]:
    """Return the tensors that `output` depends on, inputs before outputs, `output` last."""
    ordered: dict[int, Any] = {}
    waiting = [output]
    while waiting:
        tensor = waiting[-1]
        missing = [i for i in _inputs_of(tensor) if id(i) not in ordered]
        if missing:
            waiting.extend(missing)
        else:
            ordered.setdefault(id(waiting.pop()), tensor)
    return list(ordered.values())


def _inputs_of(tensor: Any) -> list[Any]:
    layer, node, _ = tensor._keras_history
    return list(layer._inbound_nodes[node].input_tensors)


def _layer_of(tensor: Any) -> Any:
    return tensor._keras_history[0]


def _trains(layer: Any) -> bool:
    return any(weight.trainable for weight in getattr(layer, "weights", ()))
