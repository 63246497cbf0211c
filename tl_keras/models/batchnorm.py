"""BatchNormalization on the statistics of other images than those that a network was trained on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from tl_keras.models.blocks import weights_that_may_train
from tl_keras.models.classifier import backbone_of


def adapt_batchnorm(classifier: keras.Model, batches: Iterable[npt.NDArray[np.uint8]]) -> int:
    """Take the moving mean and variance of the backbone's BatchNormalization layers from images (AdaBN).

    Each layer gets the mean and variance of what reaches it over all images, each of which counts alike
    whatever the size of its batch. On its way through the network a batch is normalized by its own
    statistics, as in training, so that one pass is enough; batches should be of some ten images and mixed
    as in training. Only these statistics change, and only after the last batch. Nothing is random.

    Source: Li et al. 2016, "Revisiting Batch Normalization For Practical Domain Adaptation".

    Args:
        classifier: A model of `build_classifier`, built with a frozen backbone, also after loading it.
        batches: Images, uint8 [n, H, W, 3], each of them once.

    Returns:
        How many layers have new statistics: all; none where there are no such layers, or no images.
    """
    norms = [layer for layer in backbone_of(classifier).layers if _is_batchnorm(layer)]
    seen = 0
    sums = [np.zeros((2, norm.moving_mean.shape[0])) for norm in norms]
    with _normalizing_by_batch(norms):
        measure = _measure(classifier, norms)
        for batch in batches if norms else ():
            seen += len(batch)
            for total, (mean, variance) in zip(sums, measure(batch), strict=True):
                mean, variance = (np.asarray(value, np.float64) for value in (mean, variance))
                total += len(batch) * np.stack([mean, variance + mean**2])
    if not seen:
        return 0
    for norm, total in zip(norms, sums, strict=True):
        mean, mean_square = total / seen
        norm.moving_mean.assign(mean)
        norm.moving_variance.assign(np.maximum(mean_square - mean**2, 0))
    return len(norms)


@contextmanager
def _normalizing_by_batch(norms: Sequence[Any]) -> Iterator[None]:
    """Let layers normalize by their batch's statistics, and hand on these instead of moving ones."""
    before = [(norm, norm.momentum, norm.trainable, _flags(norm)) for norm in norms]
    try:
        for norm in norms:
            norm.trainable, norm.momentum = True, 0.0
        yield
    finally:
        for norm, momentum, trainable, flags in before:
            norm.trainable, norm.momentum = trainable, momentum  # the former sets its weights' flags too
            for weight, flag in zip(weights_that_may_train(norm), flags, strict=True):
                weight.trainable = flag


def _flags(norm: Any) -> list[bool]:
    return [weight.trainable for weight in weights_that_may_train(norm)]


def _measure(classifier: keras.Model, norms: Sequence[Any]) -> Any:
    """Return a function from images, uint8 [n, H, W, 3], to the (mean, variance) that reach each layer.

    The backbone is called by itself: inside the classifier it was called with training=False for good.
    """
    base = backbone_of(classifier)
    pixels_of = keras.Model(classifier.input, _input_of(classifier.get_layer("pooling").input))

    def measure(images: Any) -> Any:
        with keras.StatelessScope() as scope:  # what the layers would assign is read, and not assigned
            base(pixels_of(images), training=True)
            return [tuple(map(scope.get_current_value, (n.moving_mean, n.moving_variance))) for n in norms]

    return tf.function(measure, [tf.TensorSpec((None, *classifier.input.shape[1:]), tf.uint8)])


def _input_of(tensor: Any) -> Any:
    """Return what the layer that made a tensor was called with."""
    layer, node, _ = tensor._keras_history
    return layer._inbound_nodes[node].input_tensors[0]


def _is_batchnorm(layer: Any) -> bool:
    return isinstance(layer, keras.layers.BatchNormalization)
