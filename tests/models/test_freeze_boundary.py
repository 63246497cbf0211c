"""Cutting a classifier where its frozen part ends: training the upper part is training the whole."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tests.models import enliven
from tl_keras.config.schema import HeadConfig, ModelConfig
from tl_keras.models.backbones import find
from tl_keras.models.classifier import build_classifier
from tl_keras.models.freeze_boundary import split_at_freeze_boundary
from tl_keras.models.unfreezing import unfreeze

CLASSES = 4


def classifier_of(backbone: str, size: int, **options) -> keras.Model:
    keras.utils.set_random_seed(0)
    model = ModelConfig(backbone=backbone, options=options, weights="none")
    head = HeadConfig(hidden=(8,), dropout=0.0)
    return build_classifier(model, head, image_size=size, classes=CLASSES, task="multiclass")


def images(count: int, size: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("backbone", "where", "size", "place"),
    [
        ("MobileNetV2", "from:block_13", 32, "block_12_add"),
        ("MobileNetV2", "from:block_13_project", 32, "block_13_depthwise_relu"),
        ("ResNet50", "from:conv5", 32, "conv4_block6_out"),
        pytest.param("ResNet50", "from:conv5_block2_2_conv", 32, "conv5_block1_out", marks=pytest.mark.slow),
        ("InceptionV3", "from:mixed8", 75, "mixed7"),
        pytest.param("DenseNet121", "from:conv5", 32, "pool4_pool", marks=pytest.mark.slow),
        ("Tiny", "from:block3", 32, "block2_out"),
    ],
)
def test_the_highest_place_below_everything_that_trains(backbone, where, size, place):
    classifier = classifier_of(backbone, size)
    unfreeze(classifier, find(backbone), where)
    cut = split_at_freeze_boundary(classifier)
    assert cut is not None and cut.layer == place
    assert not cut.frozen.trainable_variables
    trained = [{v.path for v in model.trainable_variables} for model in (cut.trainable, classifier)]
    assert trained[0] == trained[1]
    pixels = images(3, size)
    whole = classifier(pixels, training=False)
    np.testing.assert_allclose(cut.trainable(cut.frozen(pixels)), whole, rtol=1e-5, atol=1e-7)


def test_where_all_trains_there_is_nothing_to_cut_off():
    classifier = classifier_of("Tiny", 32)
    unfreeze(classifier, find("Tiny"), "all")
    assert split_at_freeze_boundary(classifier) is None


def test_where_only_the_head_trains_all_of_the_backbone_is_below():
    classifier = classifier_of("MobileNet", 32, alpha=0.25)
    unfreeze(classifier, find("MobileNet"), "none")
    cut, pixels = split_at_freeze_boundary(classifier), images(3, 32)
    assert cut is not None and cut.layer == "conv_pw_13_relu"
    np.testing.assert_allclose(cut.trainable(cut.frozen(pixels)), classifier(pixels), rtol=1e-5, atol=1e-7)


def test_a_boundary_without_activations_below_is_found_in_front_of_batchnorm_that_trains():
    classifier = classifier_of("MobileNet", 32, alpha=0.25)
    unfreeze(classifier, find("MobileNet"), "from:conv_13", affine=True)
    cut = split_at_freeze_boundary(classifier)
    assert (
        cut is not None and not cut.frozen.trainable_variables and len(cut.trainable.trainable_variables) > 4
    )


@pytest.mark.parametrize(
    ("backbone", "where", "size"),
    [
        ("MobileNetV2", "from:block_13", 32),
        pytest.param("ResNet50", "from:conv5", 32, marks=pytest.mark.slow),
        pytest.param("InceptionV3", "from:mixed9", 75, marks=pytest.mark.slow),
    ],
)
def test_training_above_the_boundary_gives_the_weights_of_training_the_whole(backbone, where, size):
    classifier = classifier_of(backbone, size)
    pixels = images(16, size)
    enliven(classifier, pixels)
    start = classifier.get_weights()
    targets = np.eye(CLASSES, dtype=np.float32)[np.arange(16) % CLASSES]
    unfreeze(classifier, find(backbone), where)
    cut = split_at_freeze_boundary(classifier)
    assert cut is not None
    activations = np.asarray(cut.frozen(pixels, training=False))
    ended = []
    for model, rows in ((classifier, pixels), (cut.trainable, activations)):
        classifier.set_weights(start)
        # At higher rates the kinks of ReLU turn rounding into something larger, in either way of training.
        optimizer = keras.optimizers.SGD(1e-4, momentum=0.9)
        model.compile(optimizer, "categorical_crossentropy", jit_compile=False)
        model.fit(rows, targets, batch_size=4, epochs=2, shuffle=False, verbose=0)
        ended.append(classifier.get_weights())
    moved = [np.abs(whole - before).max() for before, whole in zip(start, ended[0], strict=True)]
    apart = [np.abs(whole - trainable).max() for whole, trainable in zip(*ended, strict=True)]
    assert 4 < np.count_nonzero(moved) < len(start)
    assert max(apart) < 1e-3 * max(moved)
    assert all(a == 0 for a, m in zip(apart, moved, strict=True) if m == 0)
