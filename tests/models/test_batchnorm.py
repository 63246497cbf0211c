"""AdaBN: the statistics become those of the images, and nothing else changes."""

from pathlib import Path

import keras
import numpy as np
import pytest

from tl_keras.config.schema import HeadConfig, ModelConfig
from tl_keras.models.backbones import find
from tl_keras.models.batchnorm import adapt_batchnorm
from tl_keras.models.classifier import backbone_of, build_classifier
from tl_keras.models.unfreezing import unfreeze

IMAGES = np.random.default_rng(0).integers(0, 256, (10, 32, 32, 3), dtype=np.uint8)
UNEVEN = (IMAGES[:1], IMAGES[1:7], IMAGES[7:])


def build(name: str = "Tiny", weights: str = "pretrained") -> keras.Model:
    keras.utils.set_random_seed(0)
    model = ModelConfig(backbone=name, weights=weights)
    return build_classifier(model, HeadConfig(), image_size=32, classes=2, task="multiclass")


@pytest.fixture
def tiny() -> keras.Model:
    return build()


def reaching(classifier: keras.Model, layer: str, images: np.ndarray) -> np.ndarray:
    """Return what a layer of the backbone makes of images: float32 [n, H, W, channels]."""
    base = backbone_of(classifier)
    pixels = classifier.get_layer("preprocessing")(images)
    return np.asarray(keras.Model(base.input, base.get_layer(layer).output)(pixels, training=False))


def statistics(classifier: keras.Model) -> dict[str, np.ndarray]:
    return {w.path: w.numpy() for w in classifier.weights if "moving" in w.path}


def test_the_first_layer_gets_the_mean_and_variance_of_all_images(tiny: keras.Model) -> None:
    seen = reaching(tiny, "block1_pool", IMAGES)  # before any normalisation: the same in all batches
    assert adapt_batchnorm(tiny, iter(UNEVEN)) == 6
    norm = backbone_of(tiny).get_layer("block1_conv1_bn")
    np.testing.assert_allclose(norm.moving_mean, seen.mean((0, 1, 2)), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(norm.moving_variance, seen.var((0, 1, 2)), rtol=1e-4, atol=1e-5)


def test_in_one_batch_each_layer_gets_what_reaches_it_through_the_adapted_ones_below(
    tiny: keras.Model,
) -> None:
    adapt_batchnorm(tiny, [IMAGES])
    seen = reaching(tiny, "block3_conv2", IMAGES)
    norm = backbone_of(tiny).get_layer("block3_conv2_bn")
    np.testing.assert_allclose(norm.moving_mean, seen.mean((0, 1, 2)), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(norm.moving_variance, seen.var((0, 1, 2)), rtol=1e-3, atol=1e-4)


def test_only_the_statistics_change_and_the_same_way_each_time(tiny: keras.Model, tmp_path: Path) -> None:
    unfreeze(tiny, find("Tiny"), "from:block3", affine=True)
    tiny.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    norms = [layer for layer in backbone_of(tiny).layers if hasattr(layer, "momentum")]
    before = {w.path: w.numpy() for w in tiny.weights}
    flags = [w.trainable for w in tiny.weights], [(norm.trainable, norm.momentum) for norm in norms]
    adapt_batchnorm(tiny, UNEVEN)
    assert flags == ([w.trainable for w in tiny.weights], [(norm.trainable, norm.momentum) for norm in norms])
    changed = {w.path for w in tiny.weights if not np.array_equal(w.numpy(), before[w.path])}
    assert changed == set(statistics(tiny))
    adapt_batchnorm(loaded, UNEVEN)
    for path, value in statistics(loaded).items():
        np.testing.assert_array_equal(value, statistics(tiny)[path])


def test_a_stop_halfway_changes_nothing(tiny: keras.Model) -> None:
    def stopped():
        yield IMAGES
        raise KeyboardInterrupt

    before, norm = tiny.get_weights(), backbone_of(tiny).get_layer("block1_conv1_bn")
    with pytest.raises(KeyboardInterrupt):
        adapt_batchnorm(tiny, stopped())
    assert all(map(np.array_equal, tiny.get_weights(), before))
    assert (norm.trainable, norm.momentum) == (False, 0.9)


def test_without_images_or_such_layers_there_is_nothing_to_do(tiny: keras.Model) -> None:
    assert adapt_batchnorm(tiny, []) == 0
    assert adapt_batchnorm(build("VGG16", "none"), [IMAGES]) == 0
