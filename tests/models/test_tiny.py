"""Tiny: the network that comes with its weights."""

from __future__ import annotations

import tarfile
from pathlib import Path

import keras
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from tests.shared import SHARED
from tl_keras.config.loading import load_config
from tl_keras.config.schema import HeadConfig, ModelConfig, pretraining_defaults
from tl_keras.core.geometry import Geometry
from tl_keras.data.images.decode import decode
from tl_keras.data.sources.digits import read_digits
from tl_keras.errors import ModelError
from tl_keras.models.backbone import build_base
from tl_keras.models.backbones import find
from tl_keras.models.classifier import build_classifier
from tl_keras.models.source_model import read_source_model_info
from tl_keras.models.tiny import WEIGHTS

CIFAR10 = SHARED / "datasets" / "cifar10.tar.gz"


def features(pixels: np.ndarray, weights: str) -> np.ndarray:
    """Return pooled features [n, 336] of uint8 images [n, 32, 32, 3]."""
    model = ModelConfig(backbone="tiny", weights=weights)
    classifier = build_classifier(model, HeadConfig(), image_size=None, classes=2, task="multiclass")
    return keras.Model(classifier.input, classifier.get_layer("pooling").output).predict(pixels, verbose=0)


def test_the_shipped_files_are_small_and_say_how_they_were_made():
    assert sum(file.stat().st_size for file in WEIGHTS.parent.iterdir()) <= 2 * 10**6
    info = read_source_model_info(WEIGHTS.with_name("source.json"))
    assert (info.backbone, info.image_size, len(info.classes)) == ("Tiny", 32, 10)
    assert info.data["name"] == "cifar10" and info.score["split"] == "test"
    assert info.score["images"] == 10_000 and info.score["accuracy"] > 0.85


def test_the_recipe_in_configs_is_the_one_that_they_were_made_with():
    file = Path(__file__).parents[2] / "configs" / "pretrain_cifar10.yaml"
    recipe = load_config(file, base=pretraining_defaults())
    stated = read_source_model_info(WEIGHTS.with_name("source.json")).recipe
    for section in ("head", "augment", "train"):
        settings = getattr(recipe, section)
        assert settings == type(settings).model_validate(stated[section])
    assert (recipe.runtime.seed, recipe.runtime.precision) == (stated["seed"], stated["precision"])


@pytest.mark.slow
def test_ten_images_of_each_digit_are_told_apart_far_better_than_by_random_features():
    examples = read_digits().examples
    pixels = np.stack([decode(example.path, Geometry(32, 32)) for example in examples])
    labels = np.array([example.label for example in examples])
    chosen = np.concatenate([np.flatnonzero(labels == digit)[:10] for digit in np.unique(labels)])
    others = np.setdiff1d(np.arange(len(labels)), chosen)
    right = {}
    for weights in ("pretrained", "none"):
        keras.utils.set_random_seed(0)
        found = features(pixels, weights)
        fitted = LogisticRegression(C=10, max_iter=1000).fit(found[chosen], labels[chosen])
        right[weights] = fitted.score(found[others], labels[others])
    assert right["pretrained"] > right["none"] + 0.1


@pytest.mark.slow
@pytest.mark.skipif(not CIFAR10.is_file(), reason="no CIFAR-10 in a folder `shared` beside the repository")
def test_a_linear_model_on_its_features_gets_near_the_stated_accuracy():
    """The head is not shipped; its features hold what it needs, so that 1,000 images bring it back."""
    pixels, labels = cifar10(1000)
    found = {split: features(pixels[split], "pretrained") for split in pixels}
    fitted = LogisticRegression(max_iter=2000).fit(found["train"], labels["train"])
    stated = read_source_model_info(WEIGHTS.with_name("source.json")).score["accuracy"]
    assert fitted.score(found["test"], labels["test"]) == pytest.approx(stated, abs=0.04)


def cifar10(count: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Return `count` images of train and of test, the same number of each class."""
    pixels: dict[str, list[np.ndarray]] = {"train": [], "test": []}
    labels: dict[str, list[str]] = {"train": [], "test": []}
    with tarfile.open(CIFAR10) as archive:
        for member in archive:
            split, _, rest = member.name.removeprefix("./").partition("/")
            label = rest.partition("/")[0]
            if member.isfile() and split in labels and labels[split].count(label) < count // 10:
                file = archive.extractfile(member)
                assert file is not None
                pixels[split].append(decode(file.read(), Geometry(32, 32)))
                labels[split].append(label)
    return {s: np.stack(p) for s, p in pixels.items()}, {s: np.array(names) for s, names in labels.items()}


def test_larger_images_make_larger_feature_maps():
    base = build_base(find("Tiny"), {}, 64, "pretrained")
    assert base.output.shape[1:] == (7, 7, 336)


def test_weights_of_another_network_are_refused():
    with pytest.raises(ModelError, match="do not fit ResNet50"):
        build_base(find("ResNet50"), {}, 32, str(WEIGHTS))
