"""LiteRT (TensorFlow Lite) files, run without TensorFlow."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from tl_keras.core.native_output import suppress_native_output
from tl_keras.inference.predictor import Floats, Pixels, Port, Predictor, make_predictor
from tl_keras.models.saved.embedded_info import read
from tl_keras.models.saved.file_format import damaged


def open_tflite(path: Path) -> Predictor:
    """Open a `.tflite` file; it runs on all cores, one image at a time.

    One at a time is the faster way on a CPU (MobileNetV2: 0.7 against 1.0 ms per image in batches of 16),
    and files converted for a fixed batch of 1 do nothing else. The numbers of an output in 8 bits are
    turned into probabilities by its scale and zero point and nothing more, so they come in steps
    of 1/256 and may not add up to exactly 1.

    Raises:
        ModelError: It is damaged or does not take raw pixels.
    """
    interpreter = _load(path)
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()

    def run(images: Pixels) -> Floats:
        interpreter.set_tensor(inputs[0]["index"], images)
        interpreter.invoke()
        return _dequantized(interpreter.get_tensor(outputs[0]["index"]), outputs[0])

    return make_predictor(path, read(path), [_port(i) for i in inputs], [_port(o) for o in outputs], run)


def _load(path: Path) -> Any:
    with suppress_native_output():
        try:
            interpreter = Interpreter(model_path=str(path), num_threads=os.cpu_count())
            interpreter.allocate_tensors()
        except Exception as error:  # LiteRT raises ValueError or RuntimeError, others may come
            raise damaged(path, ".tflite file", error) from error
    return interpreter


def _port(details: dict[str, Any]) -> Port:
    """Describe a tensor as the interpreter holds it: a free batch is 1 until somebody resizes it."""
    return Port(np.dtype(details["dtype"]).name, tuple(int(side) for side in details["shape"]))


def _dequantized(numbers: Any, details: dict[str, Any]) -> Floats:
    if numbers.dtype.kind == "f":
        return np.asarray(numbers, np.float32)
    scale, zero_point = details["quantization"]
    return np.asarray((numbers.astype(np.float32) - zero_point) * scale, np.float32)
