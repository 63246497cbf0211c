"""Weights: Keras's ImageNet files, the user's own files, and the words for those that do not work."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.shared import SHARED
from tl_keras.config.schema import HeadConfig, ModelConfig
from tl_keras.errors import ModelError
from tl_keras.models.backbone import build_base
from tl_keras.models.backbones import find
from tl_keras.models.classifier import backbone_of, build_classifier

IMAGENET = SHARED / "keras_home/models"
V2_FILE = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5"
V1_FILE = "mobilenet_2_5_224_tf_no_top.h5"


def base(weights: str = "none", alpha: float = 0.35, name: str = "MobileNetV2") -> keras.Model:
    options = {"alpha": alpha} if name == "MobileNetV2" else {}
    return build_base(find(name), options, 32, weights)


def same(one: keras.Model, two: keras.Model) -> bool:
    pairs = zip(one.get_weights(), two.get_weights(), strict=True)
    return all(np.array_equal(left, right) for left, right in pairs)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A backbone of random weights, saved in all ways."""
    folder = tmp_path_factory.mktemp("weights")
    model = ModelConfig(backbone="MobileNetV2", options={"alpha": 0.35}, weights="none")
    classifier = build_classifier(model, HeadConfig(), image_size=64, classes=2, task="multiclass")
    network = backbone_of(classifier)
    network.save_weights(folder / "base.weights.h5")
    network.save(folder / "base.keras")
    classifier.save(folder / "classifier.keras")
    classifier.save_weights(folder / "classifier.weights.h5")
    return {"network": network, "folder": folder}


@pytest.mark.parametrize("file", ["base.weights.h5", "base.keras", "classifier.keras"])
def test_a_file_of_the_users_gives_its_weights(saved: dict[str, Any], file: str) -> None:
    assert same(base(str(saved["folder"] / file)), saved["network"])


@pytest.mark.parametrize("file", ["base.weights.h5", "base.keras", "classifier.keras"])
def test_weights_of_another_width_are_refused_with_the_first_difference(
    saved: dict[str, Any], file: str
) -> None:
    path = saved["folder"] / file
    with pytest.raises(ModelError) as refusal:
        base(str(path), alpha=0.5)
    text = str(refusal.value)
    assert f"{path} do not fit MobileNetV2 (alpha=0.5)" in text
    assert "block_1_project" in text and "(1, 1, 48, 16)" in text and "(1, 1, 48, 8)" in text
    assert "--backbone-option" in text


@pytest.mark.parametrize("file", ["base.weights.h5", "base.keras"])
def test_weights_of_another_network_are_refused_with_the_counts(saved: dict[str, Any], file: str) -> None:
    with pytest.raises(ModelError, match=r"do not fit VGG16:\n  The backbone has 26 .* the file has 260"):
        base(str(saved["folder"] / file), name="VGG16")


def test_weights_of_a_whole_classifier_are_refused(saved: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match="no classifier on top"):
        base(str(saved["folder"] / "classifier.weights.h5"))


@pytest.mark.parametrize("suffix", [".weights.h5", ".h5", ".keras"])
@pytest.mark.parametrize("content", [b"", b"not weights at all"])
def test_what_is_no_weights_file_is_refused(tmp_path: Path, suffix: str, content: bytes) -> None:
    file = tmp_path / f"mine{suffix}"
    file.write_bytes(content)
    with pytest.raises(ModelError, match="cannot be read"):
        base(str(file))


@pytest.mark.parametrize("file", ["base.weights.h5", "base.keras"])
def test_half_a_file_is_refused(saved: dict[str, Any], tmp_path: Path, file: str) -> None:
    whole = (saved["folder"] / file).read_bytes()
    (tmp_path / file).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match="cannot be read"):
        base(str(tmp_path / file))


def test_a_missing_file_and_an_unknown_kind_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="There is no weights file"):
        base(str(tmp_path / "nowhere.h5"))
    (tmp_path / "weights.pt").write_bytes(b"x")
    with pytest.raises(ModelError, match=r"expected \.weights\.h5, \.h5 or \.keras"):
        base(str(tmp_path / "weights.pt"))


@pytest.mark.slow
def test_efficientnet_divides_by_the_deviation_that_imagenet_files_hold(tmp_path: Path) -> None:
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    images = np.random.default_rng(0).uniform(0, 255, (1, 32, 32, 3)).astype(np.float32)
    source = base(name="EfficientNetB0")
    _normalization(source).set_weights([mean, deviation, np.array(0)])
    source.save_weights(tmp_path / "as_published.weights.h5")
    source.save(tmp_path / "as_published.keras")
    for suffix in (".weights.h5", ".keras"):
        loaded = base(str(tmp_path / f"as_published{suffix}"), name="EfficientNetB0")
        scale = keras.Model(loaded.input, _normalization(loaded).output)
        np.testing.assert_allclose(scale(images), (images / 255 - mean) / deviation, atol=1e-4)
    loaded.save_weights(tmp_path / "mended.weights.h5")
    assert same(base(str(tmp_path / "mended.weights.h5"), name="EfficientNetB0"), loaded)


def _normalization(network: keras.Model) -> keras.layers.Layer:
    return next(layer for layer in network.layers if isinstance(layer, keras.layers.Normalization))


TRY = """
import json, os, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
from tl_keras.errors import TlkError
from tl_keras.models.backbones import find
from tl_keras.models.backbone import build_base
said = []
for name, options, size in json.loads(sys.argv[1]):
    try:
        weights = build_base(find(name), options, size, "pretrained").get_weights()
        said.append(f"loaded {float(weights[0].sum())}")
    except TlkError as error:
        said.append(f"{type(error).__name__}: {error}")
print(json.dumps(said), file=sys.stderr)
"""
CASES: dict[str, tuple[str, dict[str, float], int]] = {
    "own size": ("MobileNetV2", {"alpha": 0.35}, 224),
    "odd size": ("MobileNetV2", {"alpha": 0.35}, 100),
    "not there": ("NASNetMobile", {}, 224),
    "damaged": ("MobileNet", {"alpha": 0.25}, 224),
    "not published": ("MobileNetV2", {"alpha": 0.4}, 224),
}


@dataclass
class Offline:
    """What is said of each case where there is no internet."""

    home: Path
    said: dict[str, str]
    stdout: str
    stderr: str


@pytest.fixture(scope="module")
def offline(tmp_path_factory: pytest.TempPathFactory) -> Offline:
    """A process of its own, as Keras reads KERAS_HOME once; the proxy is a closed port."""
    if not (IMAGENET / V2_FILE).is_file():
        pytest.skip("no ImageNet weights in a folder `shared` beside the repository")
    home = tmp_path_factory.mktemp("keras")
    (home / "models").mkdir()
    shutil.copy(IMAGENET / V2_FILE, home / "models")
    (home / "models" / V1_FILE).write_bytes((IMAGENET / V1_FILE).read_bytes()[:100_000])
    environment = os.environ | {"KERAS_HOME": str(home), "https_proxy": "http://127.0.0.1:9", "no_proxy": ""}
    command = [sys.executable, "-c", TRY, json.dumps(list(CASES.values()))]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    said = dict(zip(CASES, json.loads(done.stderr.splitlines()[-1]), strict=True))
    return Offline(home, said, done.stdout, done.stderr)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["own size", "odd size"])
def test_imagenet_weights_load_and_equal_those_loaded_by_path(offline: Offline, case: str) -> None:
    by_path = base(str(IMAGENET / V2_FILE)).get_weights()[0]
    assert offline.said[case] == f"loaded {float(by_path.sum())}"


@pytest.mark.slow
def test_nothing_is_printed(offline: Offline) -> None:
    assert offline.stdout == ""
    assert "UserWarning" not in offline.stderr


@pytest.mark.slow
def test_weights_that_cannot_be_downloaded_are_named_with_what_to_do(offline: Offline) -> None:
    text = offline.said["not there"]
    assert text.startswith("ModelError: The ImageNet weights of NASNetMobile are not on this machine")
    assert len(text.splitlines()) <= 6
    assert f"save it as {offline.home / 'models/nasnet_mobile_no_top.h5'}" in text
    assert "--weights none" in text and "--weights PATH" in text
    assert "--backbone MobileNetV2 --backbone-option alpha=0.35 --image-size 224" in text


@pytest.mark.slow
def test_a_damaged_file_is_named_to_be_deleted(offline: Offline) -> None:
    assert offline.said["damaged"].startswith(
        "ModelError: The ImageNet weights of MobileNet (alpha=0.25) are damaged"
    )
    assert f"Delete {offline.home / 'models' / V1_FILE}" in offline.said["damaged"]


@pytest.mark.slow
def test_a_width_without_imagenet_weights_is_a_wrong_setting(offline: Offline) -> None:
    text = "ConfigError: There are no ImageNet weights of MobileNetV2 (alpha=0.4)"
    assert offline.said["not published"].startswith(text)
