"""Making 8-bit models answer more like the float model they came from.

Rounded weights shift the mean of a layer's output, and the shifts add up from layer to layer: in MobileNetV2
they are more than half of the error. Their expected size is known, (rounded - exact weights) times the mean
input, so it is taken off the layer's bias: "bias correction" of Nagel et al. 2019, Data-Free Quantization
Through Weight Equalization and Bias Correction, section 4.2. What rounded activations add is seen only by
running the model; it is taken off where it matters, in the last layer.
"""

from __future__ import annotations

import copy
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert.interpreter import Interpreter
from tensorflow.lite.python import schema_py_generated as schema
from tensorflow.lite.tools import flatbuffer_utils

Array = npt.NDArray[Any]

# Which axis of the weights is the layer's output.
_OUTPUT_AXIS = {
    schema.BuiltinOperator.CONV_2D: 0,
    schema.BuiltinOperator.DEPTHWISE_CONV_2D: 3,
    schema.BuiltinOperator.FULLY_CONNECTED: 0,
}
_DTYPES = {
    schema.TensorType.FLOAT32: np.float32,
    schema.TensorType.INT32: np.int32,
    schema.TensorType.INT8: np.int8,
}


@dataclass(frozen=True, slots=True)
class _Layer:
    """A layer with a bias: its operator, and the axis of the weights that is its output."""

    operator: Any
    axis: int

    @property
    def inputs(self) -> int:
        return int(self.operator.inputs[0])

    @property
    def weights(self) -> int:
        return int(self.operator.inputs[1])

    @property
    def bias(self) -> int:
        return int(self.operator.inputs[2])


def correct_biases(quantized: bytes, exact: bytes, images: Sequence[npt.NDArray[np.uint8]]) -> bytes:
    """Return a quantized .tflite with corrected biases.

    Layers that cannot be matched (grouped convolutions, no bias) stay as they are.

    Args:
        quantized: A .tflite with weights in 8 bits, biases in int32 or float32.
        exact: The same model in float32.
        images: Pixels, uint8 [H, W, 3].
    """
    model, reference = _Model(quantized), _Model(exact)
    twins = {name: reference.layers[name] for name in model.layers if name in reference.layers}
    means = _channel_means(exact, images, [twin.inputs for twin in twins.values()])
    for name, twin in twins.items():
        layer, mean = model.layers[name], means[twin.inputs]
        if model.fits(layer, mean):
            model.lower_bias(layer, model.output(layer, mean) - reference.output(twin, mean))
    if twins:
        *_, (name, twin) = twins.items()
        _correct_last(model, model.layers[name], means[twin.inputs], images)
    return model.content()


def _correct_last(
    model: _Model, layer: _Layer, exact_mean: Array, images: Sequence[npt.NDArray[np.uint8]]
) -> None:
    mean = _channel_means(model.content(), images, [layer.inputs])[layer.inputs]
    if model.fits(layer, mean):
        model.lower_bias(layer, model.output(layer, mean - exact_mean))


class _Model:
    """A .tflite taken apart: its main graph's layers by the name of what they compute."""

    def __init__(self, content: bytes) -> None:
        self._model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
        self._tensors = self._model.subgraphs[0].tensors
        operators = self._model.subgraphs[0].operators
        self.layers = dict(self._find_layers(operators))
        self._tensor_uses = Counter(int(i) for operator in operators for i in operator.inputs)
        self._buffer_uses = Counter(tensor.buffer for tensor in self._tensors)

    def _find_layers(self, operators: Sequence[Any]) -> Iterator[tuple[bytes, _Layer]]:
        for operator in operators:
            code = self._model.operatorCodes[operator.opcodeIndex].builtinCode
            if code not in _OUTPUT_AXIS or len(operator.inputs) != 3:
                continue
            layer = _Layer(operator, _OUTPUT_AXIS[code])
            if self._is_constant(layer.weights) and self._is_constant(layer.bias):
                yield self._tensors[operator.outputs[0]].name, layer

    def _is_constant(self, index: int) -> bool:
        if index < 0:  # a layer without a bias has -1 in its place
            return False
        tensor = self._tensors[index]
        return tensor.type in _DTYPES and self._model.buffers[tensor.buffer].data is not None

    def fits(self, layer: _Layer, mean: Array) -> bool:
        """Return whether each input channel of the layer has weights of its own, in the last axis."""
        return self._tensors[layer.weights].shape[-1] == len(mean)

    def output(self, layer: _Layer, mean: Array) -> Array:
        """Return the mean output per channel, bias aside, for a mean input per channel."""
        weights = self.values(layer.weights)
        other_axes = tuple(axis for axis in range(weights.ndim) if axis != layer.axis)
        return (weights * mean).sum(other_axes)

    def values(self, index: int) -> Array:
        """Return a constant's values as floats, whatever they are stored as."""
        tensor = self._tensors[index]
        raw = np.asarray(self._model.buffers[tensor.buffer].data, np.uint8).tobytes()
        stored = np.frombuffer(raw, _DTYPES[tensor.type]).reshape(tensor.shape)
        return stored * self._scale(index) if stored.dtype.kind == "i" else stored

    def lower_bias(self, layer: _Layer, shift: Array) -> None:
        """Take `shift` off a layer's bias, rounded to what its type can hold."""
        values = self.values(layer.bias) - shift
        self._make_own_bias(layer)
        tensor = self._tensors[layer.bias]
        dtype = _DTYPES[tensor.type]
        if dtype is np.int32:
            limit = np.iinfo(np.int32).max
            values = np.clip(np.rint(values / self._scale(layer.bias)), -limit, limit)
        self._model.buffers[tensor.buffer].data = np.frombuffer(values.astype(dtype).tobytes(), np.uint8)

    def _make_own_bias(self, layer: _Layer) -> None:
        """Give a layer a bias of its own: the converter lets equal constants be one."""
        tensor = self._tensors[layer.bias]
        if self._tensor_uses[layer.bias] <= 1 and self._buffer_uses[tensor.buffer] <= 1:
            return
        own = copy.copy(tensor)
        own.buffer = len(self._model.buffers)
        self._model.buffers.append(schema.BufferT())
        layer.operator.inputs = [layer.inputs, layer.weights, len(self._tensors)]
        self._tensors.append(own)

    def content(self) -> bytes:
        return bytes(flatbuffer_utils.convert_object_to_bytearray(self._model))

    def _scale(self, index: int) -> Array:
        """Return the scale, shaped to be multiplied with the values."""
        tensor = self._tensors[index]
        scale = np.asarray(tensor.quantization.scale, np.float64)
        shape = [1] * len(tensor.shape)
        shape[tensor.quantization.quantizedDimension] = len(scale)
        return scale.reshape(shape)


def _channel_means(
    content: bytes, images: Sequence[npt.NDArray[np.uint8]], tensors: Sequence[int]
) -> dict[int, Array]:
    """Return the mean per channel of some tensors of a .tflite, over all images and positions."""
    # With the default kernels, which are those that will run the model later; the others round otherwise.
    interpreter = Interpreter(
        model_content=content, num_threads=os.cpu_count(), experimental_preserve_all_tensors=True
    )
    interpreter.allocate_tensors()
    [pixels] = interpreter.get_input_details()
    steps = {details["index"]: details["quantization"] for details in interpreter.get_tensor_details()}
    sums: dict[int, Array] = {index: np.zeros(()) for index in tensors}
    for image in images:
        interpreter.set_tensor(pixels["index"], image[None].astype(pixels["dtype"]))
        interpreter.invoke()
        for index in sums:
            values = interpreter.get_tensor(index)
            sums[index] = sums[index] + values.reshape(-1, values.shape[-1]).mean(0)
    means = {index: total / len(images) for index, total in sums.items()}
    return {index: _real(mean, *steps[index]) for index, mean in means.items()}


def _real(mean: Array, scale: float, zero_point: int) -> Array:
    """Return the mean in real numbers; floats come with scale 0."""
    return (mean - zero_point) * scale if scale else mean
