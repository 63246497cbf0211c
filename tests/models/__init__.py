"""Tests of tl_keras.models."""

import keras
import numpy as np


def enliven(classifier: keras.Model, images: np.ndarray) -> keras.Model:
    """Give the BatchNormalization layers of a random backbone the statistics of `images`, and return it.

    Without them the signal fades layer by layer, and what comes out is zero whatever goes in.
    """
    base = classifier.get_layer("backbone")
    norms = [layer for layer in base.layers if isinstance(layer, keras.layers.BatchNormalization)]
    base.trainable = True
    for norm in norms:
        norm.momentum = 0.0
    classifier(images, training=True)
    for norm in norms:
        norm.momentum = 0.99
    base.trainable = False
    return classifier
