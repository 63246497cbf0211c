"""TensorFlow's SavedModel, for TensorFlow Serving and everything else that reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tensorflow as tf

from tl_keras.core.files import atomic_write
from tl_keras.core.model_info import ModelInfo
from tl_keras.core.native_output import suppress_native_output
from tl_keras.data.images.decode_graph import decode_in_graph
from tl_keras.errors import RunError
from tl_keras.exporting.signatures import holder, pixels_function
from tl_keras.models.saved.embedded_info import embed

TOP = 5


def export_saved_model(classifier: Any, info: ModelInfo, destination: Path) -> None:
    """Write a SavedModel folder that needs nothing but TensorFlow.

    Signatures:
        serving_default: images, uint8 [n, H, W, 3] with n > 0 -> probabilities, float32 [n, classes].
        serve_bytes: image_bytes, string [n], each a JPEG or PNG file -> probabilities as above, and
            top_labels, string [n, k], and top_scores, float32 [n, k], best first, with k = min(5, classes).

    Raises:
        RunError: It cannot be written there.
    """
    module = holder(classifier)
    module.serving_default = pixels_function(classifier)
    module.serve_bytes = _bytes_function(classifier, info)
    signatures = {"serving_default": module.serving_default, "serve_bytes": module.serve_bytes}
    with atomic_write(destination) as aside, suppress_native_output():
        try:
            tf.saved_model.save(module, str(aside), signatures=signatures)
        except tf.errors.OpError as error:
            raise RunError(f"Cannot write {destination}: {error.message}.") from error
        embed(aside, info)


def _bytes_function(classifier: Any, info: ModelInfo) -> Any:
    geometry = info.geometry
    pixels = tf.TensorSpec((geometry.height, geometry.width, 3), tf.uint8)
    top = min(TOP, len(info.labels))

    def serve_bytes(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        images = tf.map_fn(
            lambda encoded: decode_in_graph(encoded, geometry), image_bytes, fn_output_signature=pixels
        )
        probabilities = _also_of_none(classifier, images)
        scores, classes = tf.math.top_k(probabilities, top)
        labels = tf.gather(tf.constant(info.labels), classes)
        return {"probabilities": probabilities, "top_labels": labels, "top_scores": scores}

    spec = tf.TensorSpec([None], tf.string, name="image_bytes")
    return tf.function(serve_bytes, input_signature=[spec], autograph=False)


def _also_of_none(classifier: Any, images: tf.Tensor) -> tf.Tensor:
    """Return the probabilities of any number of images; convolutions on CPU fail with none at all."""
    count = tf.shape(images)[0]
    padding = tf.cast(count == 0, tf.int32)
    padded = tf.pad(images, [[0, padding], [0, 0], [0, 0], [0, 0]])
    return classifier(padded, training=False)[:count]
