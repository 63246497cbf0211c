"""A frozen network as a fast function of pixels, with a fingerprint of all that its output depends on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tl_keras.core.types import Pixels
from tl_keras.errors import ModelError
from tl_keras.features.chunk import Rows

BATCH_SIZE = {"CPU": 32, "GPU": 128}


class FeatureExtractor:
    """Runs the frozen part of a network on images, in batches of one size.

    An image's row does not depend on the images that share its batch: the last batch is filled up, so all
    have the same shape, and each row is computed by itself. On some processors its place in the batch
    decides how it is rounded.

    Args:
        model: From uint8 [batch, H, W, 3] to activations [batch, ...]; its weights now are those used.
        about: What else the activations depend on, as plain values: see `fingerprint`.
        dtype: Of the rows, float32 or float16.

    Attributes:
        shape: Of one row.
        dtype: Of the rows.
        about: All that a row depends on besides the image.
    """

    def __init__(self, model: keras.Model, about: Mapping[str, Any], dtype: str) -> None:
        self._model = model
        self._function: Any = None
        device = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
        self.batch_size = BATCH_SIZE[device]
        self.shape: tuple[int, ...] = tuple(model.output.shape[1:])
        self.dtype = np.dtype(dtype)
        self.about = {
            **about,
            "weights": hash_weights(model),
            "computed": f"{model.output.dtype}, {device}, Keras {keras.__version__}",
            "shape": list(self.shape),
            "dtype": dtype,
        }

    def __call__(self, images: Pixels) -> Rows:
        """Return the rows [n, *shape] of at most `batch_size` images, uint8 [n, H, W, 3]."""
        padded = np.zeros((self.batch_size, *images.shape[1:]), np.uint8)
        padded[: len(images)] = images
        if self._function is None:
            self._function = with_constant_weights(self._model, padded.shape)
        rows = np.asarray(self._function(padded))[: len(images)]
        if self.dtype == np.float16 and np.abs(rows).max() > np.finfo(np.float16).max:
            raise ModelError(
                f"This network has activations of {np.abs(rows).max():.3g}; float16 ends at 65504.\n"
                "Store them with: --set runtime.feature_dtype=float32"
            )
        return rows.astype(self.dtype)

    def release(self) -> None:
        """Give the memory of the weights' copies back; the next call makes them anew."""
        self._function = None


def hash_weights(model: keras.Model) -> str:
    """Return a hash over the values of all weights, in their order."""
    digest = hashlib.sha256()
    for weight in model.weights:
        value = np.ascontiguousarray(keras.ops.convert_to_numpy(weight))
        digest.update(f"{value.dtype}{value.shape}".encode())
        digest.update(value.data)
    return digest.hexdigest()


def with_constant_weights(model: keras.Model, shape: tuple[int, ...]) -> Any:
    """Return a function from uint8 images of `shape`, [n, H, W, 3], to the outputs of `model`, float32.

    The weights are those of now. As constants they let TensorFlow fold BatchNormalization into the
    convolutions: measured on a CPU, MobileNetV2 is 1.4 times as fast, ResNet50 1.1 times. It takes up to a
    second longer to get ready, so it is for many images.
    """
    trainable, others = (
        [keras.ops.convert_to_numpy(variable) for variable in variables]
        for variables in (model.trainable_variables, model.non_trainable_variables)
    )

    @tf.function(  # type: ignore[untyped-decorator]
        input_signature=[tf.TensorSpec(shape, tf.uint8)], jit_compile=False
    )
    def forward(images: tf.Tensor) -> tf.Tensor:
        # Constants made in here are part of the graph; made outside they would be its inputs.
        weights = ([tf.constant(value) for value in values] for values in (trainable, others))
        outputs, _ = model.stateless_call(*weights, images, training=False)
        return tf.cast(outputs, tf.float32)

    return forward
