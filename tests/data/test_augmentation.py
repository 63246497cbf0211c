"""Augmentation: every kind changes images, none depends on anything but its key."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tl_keras.config.schema import AugmentConfig
from tl_keras.data.augmentation import augmenter

KINDS = {
    "flip": {"flip": "horizontal"},
    "rotation": {"rotation": 20},
    "zoom": {"zoom": 0.2},
    "translation": {"translation": 0.2},
    "color_jitter": {"color_jitter": 0.3},
    "rand_augment": {"rand_augment": 0.3},
    "mixup": {"mixup": 0.4},
    "cutmix": {"cutmix": 1.0},
}
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (6, 24, 24, 3), dtype=np.uint8)
TARGETS = np.eye(3, dtype=np.float32)[[0, 1, 2, 0, 1, 2]]


def batches(config: AugmentConfig, seed: int = 1, parallel: int = 4) -> list[tuple[np.ndarray, np.ndarray]]:
    change = augmenter(config)
    assert change is not None
    steps = tf.data.Dataset.range(4).map(
        lambda step: change(IMAGES, TARGETS, tf.stack([seed, tf.cast(step, tf.int32)])),
        num_parallel_calls=parallel,
    )
    return [(images.numpy(), targets.numpy()) for images, targets in steps]


@pytest.mark.parametrize("kind", KINDS)
def test_it_changes_images_and_repeats_itself(kind):
    config = AugmentConfig(**KINDS[kind])
    first, second = batches(config), batches(config, parallel=1)
    for (images, targets), (again, targets_again) in zip(first, second, strict=True):
        assert images.dtype == np.uint8 and images.shape == IMAGES.shape
        np.testing.assert_array_equal(images, again)
        np.testing.assert_array_equal(targets, targets_again)
        np.testing.assert_allclose(targets.sum(axis=1), 1, rtol=1e-5)
    assert any((images != IMAGES).any() for images, _ in first)
    assert (first[0][0] != first[1][0]).any(), "two steps must draw differently"
    assert (first[0][0] != batches(config, seed=2)[0][0]).any(), "two seeds must draw differently"


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_mixing_mixes_the_targets_as_much_as_the_images(kind):
    flat = np.repeat(np.array([0, 100, 200], np.uint8), 2)[:, None, None, None]
    # Keras rounds CutMix's box to pixels, but not its share: with 96 of them that is at most 2%.
    images = np.broadcast_to(flat, (6, 96, 96, 3)).copy()
    targets = np.repeat(np.eye(3, dtype=np.float32), 2, axis=0)
    change = augmenter(AugmentConfig(**KINDS[kind]))
    mixed, mixed_targets = tf.function(change)(images, targets, tf.constant([3, 4]))
    means = mixed.numpy().mean(axis=(1, 2, 3))
    np.testing.assert_allclose(means, mixed_targets.numpy() @ [0, 100, 200], atol=9)


def test_all_off_is_no_function():
    assert augmenter(AugmentConfig()) is None


def test_color_jitter_stays_near_the_image():
    config = AugmentConfig(color_jitter=0.1)
    difference = np.abs(batches(config)[0][0].astype(int) - IMAGES).mean()
    assert difference < 40
