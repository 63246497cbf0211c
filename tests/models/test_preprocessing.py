"""Preprocessing inside the model against Keras's own functions, and through LiteRT."""

import importlib
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from tests.models import enliven
from tl_keras.config.schema import HeadConfig, ModelConfig
from tl_keras.models.backbones import BACKBONES, Backbone, Preprocessing, find
from tl_keras.models.classifier import backbone_of, build_classifier
from tl_keras.models.preprocessing import preprocess

MODES: tuple[Preprocessing, ...] = ("tf", "caffe", "torch", "none")


def pixels(count: int, size: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


def preprocessing_model(mode: Preprocessing, size: int = 16) -> keras.Model:
    image = keras.Input((size, size, 3), dtype="uint8")
    return keras.Model(image, preprocess(image, mode))


@pytest.fixture(scope="module")
def models() -> dict[Preprocessing, keras.Model]:
    return {mode: preprocessing_model(mode) for mode in MODES}


OF_KERAS = [backbone for backbone in BACKBONES.values() if backbone.module]


@pytest.mark.parametrize("backbone", OF_KERAS, ids=lambda backbone: backbone.name)
def test_it_equals_preprocess_input(backbone: Backbone, models: dict[Preprocessing, keras.Model]) -> None:
    images = pixels(4, 16)
    theirs = importlib.import_module(f"keras.applications.{backbone.module}").preprocess_input
    ours = models[backbone.preprocessing](images).numpy()
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, theirs(images.astype(np.float32)), atol=1e-4, rtol=0)


@pytest.mark.parametrize("mode", MODES)
def test_it_is_float32_under_mixed_precision(mode: Preprocessing) -> None:
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        assert preprocessing_model(mode).output.dtype == "float32"
    finally:
        keras.config.set_dtype_policy("float32")


SLOW = [
    pytest.param(name, marks=pytest.mark.slow) for name in ("DenseNet121", "EfficientNetB0", "ConvNeXtTiny")
]


@pytest.mark.parametrize("name", ["MobileNetV2", "ResNet50", *SLOW])
def test_the_model_scales_pixels_once(name: str) -> None:
    backbone = find(name)
    model = ModelConfig(backbone=name, weights="none")
    classifier = build_classifier(model, HeadConfig(), image_size=32, classes=2, task="multiclass")
    images = pixels(4, 32)
    enliven(classifier, images)
    ours = keras.Model(classifier.input, classifier.get_layer("pooling").input)
    theirs = getattr(keras.applications, name)(include_top=False, weights=None, input_shape=(32, 32, 3))
    theirs.set_weights(backbone_of(classifier).get_weights())
    scale = importlib.import_module(f"keras.applications.{backbone.module}").preprocess_input
    expected = theirs(scale(images.astype(np.float32)), training=False)
    # Random networks amplify rounding; scaling twice would make a difference as large as the signal.
    assert np.abs(ours(images) - expected).mean() < 0.01 * np.std(expected)


@pytest.mark.parametrize("mode", MODES)
def test_it_runs_as_int8_with_the_operations_that_litert_has_built_in(
    mode: Preprocessing, tmp_path: Path
) -> None:
    image = keras.Input((16, 16, 3), dtype="uint8", name="image")
    hidden = keras.layers.Conv2D(8, 3, strides=2, activation="relu")(preprocess(image, mode))
    model = keras.Model(image, keras.layers.GlobalAveragePooling2D()(hidden))
    images = pixels(8, 16)
    model.export(tmp_path, verbose=False)
    converter = tf.lite.TFLiteConverter.from_saved_model(str(tmp_path))
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([one[None]] for one in images)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    answers = _answers(converter.convert(), images)
    expected = model(images).numpy()
    assert np.abs(answers - expected).max() < 0.05 * np.abs(expected).max()


def _answers(content: bytes, images: np.ndarray) -> np.ndarray:
    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    entry, end = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]
    rows = []
    for image in images:
        interpreter.set_tensor(entry, image[None])
        interpreter.invoke()
        rows.append(interpreter.get_tensor(end)[0])
    return np.stack(rows)
