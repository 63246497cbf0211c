"""With MobileNetV2's real weights and real photos: what users get."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from tests.exporting.classifiers import answers
from tests.shared import SHARED
from tl_keras.core.geometry import Geometry
from tl_keras.core.model_info import ModelInfo
from tl_keras.data.images.decode import decode
from tl_keras.exporting.certificate import agreement
from tl_keras.exporting.onnx import export_onnx
from tl_keras.exporting.saved_model import export_saved_model
from tl_keras.exporting.tflite import export_tflite
from tl_keras.inference.open import open_model

SIDE, PER_CLASS, TRAIN = 128, 30, 150
DIGITS = SHARED / "datasets/sign_digits"
WEIGHTS = SHARED / "keras_home/models/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5"
INFO = ModelInfo(tuple("0123456789"), Geometry(SIDE, SIDE))

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (DIGITS.is_dir() and WEIGHTS.is_file()),
        reason="needs ../shared: sign_digits, MobileNetV2 weights",
    ),
]


@pytest.fixture(scope="module")
def photos():
    files = [
        (file, digit) for digit in range(10) for file in sorted((DIGITS / str(digit)).iterdir())[:PER_CLASS]
    ]
    order = np.random.default_rng(0).permutation(len(files))
    pixels = np.stack([decode(str(files[i][0]), INFO.geometry) for i in order])
    return pixels, np.array([files[i][1] for i in order])


@pytest.fixture(scope="module")
def classifier(photos):
    pixels, digits = photos
    base = keras.applications.MobileNetV2(
        (SIDE, SIDE, 3), 0.35, include_top=False, weights=None, name="backbone"
    )
    base.load_weights(WEIGHTS)
    image = keras.Input((SIDE, SIDE, 3), dtype="uint8", name="image")
    scaled = keras.layers.Rescaling(1 / 127.5, -1.0, dtype="float32")(image)
    features = keras.layers.GlobalAveragePooling2D()(base(scaled, training=False))
    head = keras.layers.Dense(10, activation="softmax", name="probabilities")
    model = keras.Model(image, head(features))
    learned = answers(keras.Model(image, features), pixels[:TRAIN])
    fitted = LogisticRegression(C=10, max_iter=1000).fit(learned, digits[:TRAIN])
    head.set_weights([fitted.coef_.T, fitted.intercept_])
    return model


@pytest.mark.parametrize("export", [export_saved_model, export_onnx, export_tflite])
def test_float_forms_are_the_model(classifier, photos, tmp_path, export):
    held_out = photos[0][TRAIN:]
    export(classifier, INFO, tmp_path / "model.onnx")
    found = agreement(answers(classifier, held_out), open_model(tmp_path / "model.onnx")(held_out))
    assert found.same_top1 == 1
    assert found.max_difference < 1e-4


def test_int8_nearly_is(classifier, photos, tmp_path):
    pixels, _ = photos
    export_tflite(classifier, INFO, tmp_path / "model.tflite", "int8", pixels[:60])
    answered = open_model(tmp_path / "model.tflite")(pixels[TRAIN:])
    assert agreement(answers(classifier, pixels[TRAIN:]), answered).same_top1 >= 0.95
