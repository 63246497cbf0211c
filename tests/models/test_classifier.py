"""The classifier: shapes, types, what trains, and that the saved file stands alone."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.models import enliven
from tl_keras.config.schema import HeadConfig, ModelConfig
from tl_keras.errors import ConfigError
from tl_keras.models.classifier import as_float32, backbone_of, build_classifier

SMALL: dict[str, Any] = {"backbone": "MobileNetV2", "options": {"alpha": 0.35}, "weights": "none"}


def classifier(head: HeadConfig | None = None, **changes: Any) -> keras.Model:
    model = ModelConfig(**(SMALL | changes))
    return build_classifier(model, head or HeadConfig(), image_size=32, classes=3, task="multiclass")


def pixels(count: int = 4) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)


def test_pixels_go_in_and_probabilities_come_out() -> None:
    model = classifier()
    assert (model.input.name, model.input.dtype, model.input.shape) == ("image", "uint8", (None, 32, 32, 3))
    assert model.layers[-1].name == "probabilities"
    outputs = model(pixels()).numpy()
    assert outputs.dtype == np.float32
    np.testing.assert_allclose(outputs.sum(axis=1), 1, atol=1e-6)


def test_multilabel_has_a_sigmoid_per_class() -> None:
    model = build_classifier(ModelConfig(**SMALL), HeadConfig(), image_size=32, classes=3, task="multilabel")
    assert model.layers[-1].activation is keras.activations.sigmoid


def test_the_head_is_made_as_told() -> None:
    head = HeadConfig(hidden=(16, 8), activation="gelu", dropout=0.5)
    model = classifier(head, pooling="max")
    above = [layer.name for layer in model.layers[model.layers.index(backbone_of(model)) + 1 :]]
    assert above == ["pooling", "dropout_1", "hidden_1", "dropout_2", "hidden_2", "dropout", "probabilities"]
    assert isinstance(model.get_layer("pooling"), keras.layers.GlobalMaxPooling2D)
    assert [model.get_layer(f"hidden_{n}").units for n in (1, 2)] == [16, 8]
    assert model.get_layer("dropout").rate == 0.5


def test_a_rate_of_zero_adds_no_dropout() -> None:
    model = classifier(HeadConfig(hidden=(8,), dropout=0))
    assert not any(isinstance(layer, keras.layers.Dropout) for layer in model.layers)


def test_only_the_head_trains() -> None:
    assert [weight.path for weight in classifier().trainable_variables] == [
        "probabilities/kernel",
        "probabilities/bias",
    ]


def test_the_size_is_the_backbones_own_unless_told() -> None:
    model = build_classifier(
        ModelConfig(**SMALL), HeadConfig(), image_size=None, classes=2, task="multiclass"
    )
    assert model.input.shape == (None, 224, 224, 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"backbone": "InceptionV3", "options": {}},
            r"data\.image_size is 32, but InceptionV3 needs at least 75",
        ),
        ({"options": {"alpa": 1}}, r"no option 'alpa'. Did you mean 'alpha'\? Options it has: alpha"),
        ({"backbone": "VGG16"}, r"VGG16 has no option 'alpha'. Options it has: none"),
        ({"options": {"alpha": "wide"}}, r"model\.options\.alpha .* must be a number above 0, found 'wide'"),
        ({"options": {"alpha": -1}}, r"must be a number above 0, found -1"),
        ({"options": {"alpha": float("nan")}}, r"must be a number above 0, found nan"),
        ({"options": {"alpha": float("inf")}}, r"must be a number above 0, found inf"),
        ({"backbone": "MobileNet", "options": {"depth_multiplier": 1.5}}, r"must be a whole number above 0"),
        ({"backbone": "MobileNetV3Small", "options": {"minimalistic": 1}}, r"must be true or false, found 1"),
        ({"backbone": "Inception3"}, r"Unknown backbone 'Inception3'"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        classifier(**changes)


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("EfficientNetB0", "ConvNeXtTiny")]


@pytest.mark.parametrize("name", ["MobileNetV3Small", *SLOW])
def test_a_frozen_backbone_answers_the_same_in_training(name: str) -> None:
    base = backbone_of(enliven(classifier(backbone=name, options={}), pixels()))
    images = keras.random.uniform((2, 32, 32, 3), 0, 255, seed=0)
    np.testing.assert_array_equal(base(images, training=True), base(images, training=False))


def test_training_the_head_leaves_the_backbone_as_it_was() -> None:
    model = classifier(backbone="MobileNetV3Small", options={})
    before = backbone_of(model).get_weights()
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(pixels(), np.array([0, 1, 2, 0]), verbose=0)
    after = backbone_of(model).get_weights()
    assert all(np.array_equal(one, two) for one, two in zip(before, after, strict=True))


LOAD = """
import os, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import keras, numpy as np
images = np.load(sys.argv[1])
for file in sys.argv[2:]:
    np.save(file + ".npy", keras.models.load_model(file)(images))
assert "tl_keras" not in sys.modules
"""


@pytest.mark.slow
def test_a_saved_model_answers_the_same_where_this_package_is_not_installed(tmp_path: Path) -> None:
    names = ["VGG16", "MobileNetV2", "ConvNeXtTiny"]
    answers, files = {}, [tmp_path / f"{name}.keras" for name in names]
    np.save(tmp_path / "images.npy", pixels())
    for name, file in zip(names, files, strict=True):
        model = enliven(classifier(backbone=name, options={}), pixels())
        model.save(file)
        answers[name] = model(pixels()).numpy()
    arguments = [str(path) for path in (tmp_path / "images.npy", *files)]
    done = subprocess.run([sys.executable, "-I", "-c", LOAD, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    for name, file in zip(names, files, strict=True):
        np.testing.assert_allclose(np.load(f"{file}.npy"), answers[name], atol=1e-6)


@pytest.fixture
def mixed_precision() -> Iterator[None]:
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy("float32")


@pytest.mark.usefixtures("mixed_precision")
def test_mixed_precision_stays_inside_and_can_be_taken_out() -> None:
    model = classifier(HeadConfig(hidden=(8,), dropout=0), backbone="EfficientNetB0", options={})
    assert backbone_of(model).get_layer("top_conv").compute_dtype == "bfloat16"
    assert model.output.dtype == "float32"
    assert backbone_of(model).input.dtype == "float32"
    norm = next(x for x in backbone_of(model).layers if isinstance(x, keras.layers.Normalization))
    norm.set_weights([np.full(3, 0.4), np.full(3, 0.1), np.array(0)])
    norm.finalize_state()
    full = as_float32(model)
    assert {layer.compute_dtype for layer in (*full.layers, *backbone_of(full).layers)} == {"float32"}
    assert keras.config.dtype_policy().name == "mixed_bfloat16"
    ours, theirs = (stem(one)(pixels().astype(np.float32)) for one in (full, model))
    assert np.abs(ours - keras.ops.cast(theirs, "float32")).max() < 0.02 * np.abs(ours).max()


def stem(model: keras.Model) -> keras.Model:
    return keras.Model(backbone_of(model).input, backbone_of(model).get_layer("stem_conv").output)


def test_a_float32_copy_answers_the_same() -> None:
    model = enliven(classifier(), pixels())
    np.testing.assert_allclose(as_float32(model)(pixels()), model(pixels()), atol=1e-6)
