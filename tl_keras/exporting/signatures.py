"""The function that every exported file holds: raw pixels in, probabilities out."""

from __future__ import annotations

from typing import Any

import tensorflow as tf


def pixels_function(classifier: Any, *, batch: int | None = None) -> Any:
    """Return a `tf.function`: images [batch, H, W, 3] -> {"probabilities": float32 [batch, classes]}.

    Args:
        classifier: A Keras model; its own input gives dtype and size.
        batch: A fixed number of images, or None for any.
    """
    _, *sides = classifier.input_shape
    spec = tf.TensorSpec((batch, *sides), classifier.inputs[0].dtype, name="images")
    return tf.function(
        lambda images: {"probabilities": classifier(images, training=False)},
        input_signature=[spec],
        autograph=False,
    )


def holder(classifier: Any) -> tf.Module:
    """Return a module that holds the classifier's variables, so that they are saved with its functions."""
    module = tf.Module()
    # Keras's variables are wrappers that TensorFlow does not find on its own.
    module.weights = [variable.value for variable in classifier.variables]
    return module
