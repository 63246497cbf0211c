"""Training on standardised features leaves no trace in the classifier."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tl_keras.config.schema import HeadConfig
from tl_keras.models.classifier import head_of, with_head
from tl_keras.training.heads.standardize import fold, on_standardized


@pytest.mark.parametrize("hidden", [(), (5,)])
def test_the_folded_head_answers_features_as_the_trained_one_did_standardised_ones(hidden):
    keras.utils.set_random_seed(0)
    image = keras.Input((2, 2, 3), dtype="uint8", name="image")
    pooled = keras.layers.GlobalAveragePooling2D(name="pooling")(keras.ops.cast(image, "float32"))
    classifier = with_head(
        keras.Model(image, pooled), HeadConfig(hidden=hidden), classes=4, task="multiclass"
    )
    head = head_of(classifier)
    for layer in head.layers:
        layer.set_weights([np.random.default_rng(1).normal(size=w.shape) for w in layer.get_weights()])
    mean, deviation = np.float32([5, -3, 100]), np.float32([0.1, 1, 40])
    features = np.random.default_rng(2).normal(mean, deviation, (20, 3)).astype(np.float32)
    trained = np.asarray(on_standardized(head, mean, deviation)(features))
    fold(head, mean, deviation)
    np.testing.assert_allclose(np.asarray(head(features)), trained, rtol=1e-4, atol=1e-6)
    pixels = np.full((1, 2, 2, 3), 7, np.uint8)
    np.testing.assert_allclose(np.asarray(classifier(pixels)), np.asarray(head(np.float32([[7, 7, 7]]))))
