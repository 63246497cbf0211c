"""Any shipped model, opened as a function from pixels to probabilities."""

from __future__ import annotations

from pathlib import Path

from tl_keras.core.tensorflow_setup import import_tensorflow
from tl_keras.inference.predictor import Predictor
from tl_keras.models.saved.file_format import format_of


def open_model(path: Path) -> Predictor:
    """Open a `.keras`, a SavedModel folder, a `.tflite` or an `.onnx`.

    Only the format's own runtime is imported: a `.tflite` answers without TensorFlow.

    Raises:
        ModelError: There is no model, it is damaged, or it does not take raw pixels.
        MissingExtra: The format's runtime is not installed.
    """
    match format_of(path):
        case "keras":
            import_tensorflow()
            from tl_keras.inference.keras_file import open_keras

            return open_keras(path)
        case "saved_model":
            import_tensorflow()
            from tl_keras.inference.saved_model import open_saved_model

            return open_saved_model(path)
        case "tflite":
            from tl_keras.inference.tflite import open_tflite

            return open_tflite(path)
        case "onnx":
            from tl_keras.inference.onnx import open_onnx

            return open_onnx(path)
