"""ONNX files, run by ONNX Runtime without TensorFlow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tl_keras.core.native_output import suppress_native_output
from tl_keras.errors import MissingExtra
from tl_keras.inference.predictor import Floats, Pixels, Port, Predictor, make_predictor
from tl_keras.models.saved.embedded_info import read
from tl_keras.models.saved.file_format import damaged

ERRORS_ONLY = 3


def open_onnx(path: Path) -> Predictor:
    """Open an `.onnx` file; it runs on all cores.

    Raises:
        ModelError: It is damaged or does not take raw pixels.
        MissingExtra: ONNX Runtime is not installed.
    """
    session = _load(path)
    inputs = session.get_inputs()

    def run(images: Pixels) -> Floats:
        return np.asarray(session.run(None, {inputs[0].name: images})[0], np.float32)

    return make_predictor(path, read(path), _ports(inputs), _ports(session.get_outputs()), run)


def _load(path: Path) -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise MissingExtra("Opening an .onnx file", "onnx") from None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = ERRORS_ONLY
    with suppress_native_output():
        try:
            return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime has an exception class of its own for each fault
            raise damaged(path, ".onnx file", error) from error


def _ports(arguments: list[Any]) -> list[Port]:
    return [Port(_dtype(argument.type), tuple(map(_side, argument.shape))) for argument in arguments]


def _dtype(type_name: str) -> str:
    """Return `uint8` for ONNX Runtime's `tensor(uint8)`."""
    return type_name.removeprefix("tensor(").removesuffix(")")


def _side(side: Any) -> int | None:
    """Return a fixed side; free ones come as a name or None."""
    return side if isinstance(side, int) else None
