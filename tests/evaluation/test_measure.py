"""Probabilities of a model: right after it has changed, and traced once."""

from __future__ import annotations

import gc
import weakref

import keras
import numpy as np
import tensorflow as tf

from tl_keras.evaluation.measure import probabilities


class Counted(keras.layers.Layer):
    """Passes on what it gets, and counts how often it is traced."""

    traced = 0

    def call(self, rows: tf.Tensor) -> tf.Tensor:
        self.traced += 1
        return rows


def classifier() -> keras.Model:
    return keras.Sequential([keras.Input((4,)), Counted(), keras.layers.Dense(3, name="logits")])


def batches(size: int) -> tf.data.Dataset:
    rows = np.random.default_rng(0).random((10, 4), np.float32)
    return tf.data.Dataset.from_tensor_slices((rows, np.eye(10, 3, dtype=np.float32))).batch(size)


def test_a_model_is_traced_once_and_answers_with_the_weights_of_now() -> None:
    model = classifier()
    before, targets = probabilities(model, batches(4))
    np.testing.assert_array_equal(targets, np.eye(10, 3))
    traced = model.layers[0].traced
    model.get_layer("logits").kernel.assign(2 * model.get_layer("logits").kernel)
    after, _ = probabilities(model, batches(3))
    np.testing.assert_allclose(after, 2 * before, rtol=1e-6)
    assert model.layers[0].traced == traced


def test_rows_of_another_type_are_taken() -> None:
    model = classifier()
    whole, _ = probabilities(model, batches(5))
    halves = batches(5).map(lambda rows, targets: (tf.cast(rows, tf.float16), targets))
    np.testing.assert_allclose(probabilities(model, halves)[0], whole, atol=1e-2)


def test_a_measured_model_is_not_kept_alive() -> None:
    model = classifier()
    probabilities(model, batches(4))
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None
