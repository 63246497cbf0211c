"""ONNX files, for ONNX Runtime and everything else that reads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from tl_keras.core.files import atomic_write
from tl_keras.core.model_info import ModelInfo
from tl_keras.core.native_output import suppress_native_output
from tl_keras.errors import MissingExtra, ModelError
from tl_keras.exporting.signatures import pixels_function
from tl_keras.models.saved.embedded_info import embed

OPSET = 18  # the newest that tf2onnx writes


def export_onnx(classifier: Any, info: ModelInfo, destination: Path) -> None:
    """Write an `.onnx` file: images, uint8 [n, H, W, 3] -> probabilities, float32 [n, classes].

    Raises:
        MissingExtra: tf2onnx or onnx is not installed.
        ModelError: ONNX lacks an operation of the model.
        RunError: It cannot be written there.
    """
    with atomic_write(destination) as aside, suppress_native_output():
        aside.write_bytes(_convert(classifier).SerializeToString())
        embed(aside, info)


def _convert(classifier: Any) -> Any:
    try:
        import onnx  # noqa: F401
        import tf2onnx
    except ImportError:
        raise MissingExtra("Exporting to ONNX", "onnx") from None
    # Frozen here, since tf2onnx takes constants that layers hold as tensors (Normalization's) for inputs.
    frozen = convert_variables_to_constants_v2(pixels_function(classifier).get_concrete_function())
    [images], [probabilities] = frozen.inputs, frozen.outputs
    try:
        model, _ = tf2onnx.convert.from_graph_def(
            frozen.graph.as_graph_def(),
            input_names=[images.name],
            output_names=[probabilities.name],
            tensors_to_rename={images.name: "images", probabilities.name: "probabilities"},
            opset=OPSET,
        )
    except Exception as error:  # tf2onnx raises whatever the unknown operation makes it stumble over
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelError(
            f"This model cannot become an .onnx file.\n"
            f"Expected operations that tf2onnx knows; it said: {reason[:200]}.\n"
            "Export it as saved_model instead."
        ) from error
    return model
