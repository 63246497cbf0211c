"""LiteRT (TensorFlow Lite) files for phones and small machines."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from tl_keras.core.files import atomic_write, write_text
from tl_keras.core.model_info import ModelInfo
from tl_keras.core.native_output import suppress_native_output
from tl_keras.errors import ModelError
from tl_keras.exporting.bias_correction import correct_biases
from tl_keras.exporting.signatures import holder, pixels_function
from tl_keras.models.saved.embedded_info import LABELS, embed, labels_text
from tl_keras.models.weights import set_weights

Quantize = Literal["none", "float16", "dynamic", "int8"]
Pixels = npt.NDArray[np.uint8]


def export_tflite(
    classifier: Any,
    info: ModelInfo,
    destination: Path,
    quantize: Quantize = "none",
    calibration: Iterable[Pixels] | None = None,
) -> None:
    """Write a `.tflite` file, and its class names beside it in `<its name>.labels.txt`.

    Every kind takes one image of raw pixels, uint8 [1, H, W, 3], and needs only LiteRT's own operations.
    The batch is fixed at 1: all shapes are then known beforehand, which delegates on phones ask for,
    and on a CPU it is faster per image than larger batches.

    Args:
        classifier: A Keras model in float32.
        info: Class names and preprocessing; travels inside the file.
        destination: The file.
        quantize: `none` (float32); `float16` (weights halved); `dynamic` (weights in 8 bits, computing in
            floats); `int8` (everything in 8 bits; probabilities come as uint8 with scale 1/256).
        calibration: Images like those to come, uint8 [H, W, 3]; 100 are enough. `int8` needs them to
            measure its ranges; both 8-bit kinds use them to correct their biases.

    Raises:
        ModelError: LiteRT lacks an operation, or `int8` got no images.
        RunError: It cannot be written there.
    """
    with suppress_native_output():
        content = _convert(classifier, quantize, [] if calibration is None else list(calibration))
    with atomic_write(destination) as aside:
        aside.write_bytes(content)
        embed(aside, info)
    write_text(destination.with_suffix(f".{LABELS}"), labels_text(info))


def _convert(classifier: Any, quantize: Quantize, images: Sequence[Pixels]) -> bytes:
    if quantize == "int8" and not images:
        raise ModelError("int8 needs calibration images to measure its ranges; found none. 100 are enough.")
    # For int8 the pixels must enter as floats, so that the converter gives them a scale: 1, from 0 to 255.
    source = _with_float_input(classifier) if quantize == "int8" else classifier
    converter = _converter(source)
    if quantize != "none":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantize == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if quantize == "int8":
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.uint8
        converter.representative_dataset = lambda: _representative(images)
    content = _run(converter)
    if quantize in ("dynamic", "int8") and images:
        return correct_biases(content, _run(_converter(source)), images)
    return content


def _with_float_input(classifier: Any) -> Any:
    """Return a copy of the classifier that takes the same 0..255 as float32."""
    _, *sides = classifier.input_shape
    pixels = keras.Input(sides, dtype="float32", name="images")
    twin = keras.models.clone_model(classifier, input_tensors=pixels, clone_function=_copy_for_int8)
    set_weights(twin, classifier.get_weights())
    return twin


def _copy_for_int8(layer: Any) -> Any:
    if isinstance(layer, keras.layers.Rescaling):
        return _ShiftThenScale(layer)
    return layer.__class__.from_config(layer.get_config())


class _ShiftThenScale(keras.layers.Layer):
    """Rescaling in the other order: (x + offset / scale) * scale instead of x * scale + offset.

    After the shift the 256 levels of the pixels still are 256 levels; scaled first, the converter gives
    them 170, which costs MobileNetV2 a percent of its answers.
    """

    def __init__(self, rescaling: Any) -> None:
        super().__init__(name=rescaling.name, dtype="float32")
        self._scale = np.asarray(rescaling.scale, np.float32)
        self._shift = np.asarray(rescaling.offset, np.float32) / self._scale

    def call(self, pixels: Any) -> Any:
        return (pixels + self._shift) * self._scale


def _converter(classifier: Any) -> Any:
    function = pixels_function(classifier, batch=1).get_concrete_function()
    return tf.lite.TFLiteConverter.from_concrete_functions([function], holder(classifier))


def _representative(images: Sequence[Pixels]) -> Iterator[dict[str, npt.NDArray[np.float32]]]:
    for index, image in enumerate(images):
        pixels = image[None].astype(np.float32)
        if not index:
            # One black and one white pixel, so that the input's scale is 1 whatever the images are.
            pixels[0, 0, 0], pixels[0, 0, 1] = 0, 255
        yield {"images": pixels}


def _run(converter: Any) -> bytes:
    try:
        return bytes(converter.convert())
    except Exception as error:  # the converter raises its own and whatever its parts do
        raise _not_convertible(error) from error


def _not_convertible(error: Exception) -> ModelError:
    missing = sorted(set(re.findall(r"'?\btf\.([A-Z]\w+)", str(error))))
    first_line = (str(error).splitlines() or [type(error).__name__])[0]
    found = f"it uses {', '.join(missing)}" if missing else f"the converter said: {first_line[:200]}"
    return ModelError(
        "This model cannot become a .tflite file of that kind.\n"
        f"Expected operations that LiteRT has built in; {found}.\n"
        "Choose another --quantize, export it as saved_model or onnx, or train on another backbone."
    )
