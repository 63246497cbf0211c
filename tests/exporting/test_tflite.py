from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter
from tensorflow.lite.tools import flatbuffer_utils

from tests.exporting.classifiers import HEIGHT, LABELS, WIDTH, answers, images, small_classifier, small_info
from tl_keras.core.geometry import Geometry
from tl_keras.core.model_info import ModelInfo
from tl_keras.errors import ModelError
from tl_keras.exporting.certificate import agreement
from tl_keras.exporting.tflite import export_tflite
from tl_keras.inference.open import open_model

KINDS = ("none", "float16", "dynamic", "int8")


@pytest.fixture(scope="module")
def classifier():
    return small_classifier()


@pytest.fixture(scope="module")
def files(classifier, tmp_path_factory):
    folder = tmp_path_factory.mktemp("tflite")
    for kind in KINDS:
        export_tflite(classifier, small_info(), folder / f"{kind}.tflite", kind, images(50, seed=2))
    return folder


@pytest.mark.parametrize(
    ("kind", "same", "difference"),
    [("none", 1, 1e-4), ("float16", 0.98, 0.02), ("dynamic", 0.97, 0.05), ("int8", 0.9, 0.4)],
)
def test_answers_agree_with_the_model(classifier, files, kind, same, difference):
    pixels = images(200, seed=1)
    found = agreement(answers(classifier, pixels), open_model(files / f"{kind}.tflite")(pixels))
    assert found.same_top1 >= same
    assert found.max_difference <= difference


@pytest.mark.parametrize("kind", KINDS)
def test_takes_one_image_of_raw_pixels(files, kind):
    [pixels] = Interpreter(str(files / f"{kind}.tflite")).get_input_details()
    assert pixels["dtype"] == np.uint8
    assert pixels["shape_signature"].tolist() == [1, HEIGHT, WIDTH, 3]


@pytest.mark.parametrize("kind", KINDS)
def test_has_a_named_signature(files, kind):
    signatures = Interpreter(str(files / f"{kind}.tflite")).get_signature_list()
    assert signatures == {"serving_default": {"inputs": ["images"], "outputs": ["probabilities"]}}


@pytest.mark.parametrize("kind", KINDS)
def test_uses_builtin_operations_only(files, kind):
    model = flatbuffer_utils.read_model(str(files / f"{kind}.tflite"))
    assert not [code.customCode for code in model.operatorCodes if code.customCode]


def test_int8_is_integer_from_end_to_end_with_pixels_as_they_are(files):
    interpreter = Interpreter(str(files / "int8.tflite"))
    [pixels], [output] = interpreter.get_input_details(), interpreter.get_output_details()
    assert pixels["quantization"] == (1.0, 0)
    assert output["dtype"] == np.uint8
    assert output["quantization"] == (1 / 256, 0)
    assert not [t["name"] for t in interpreter.get_tensor_details() if t["dtype"] == np.float32]


def test_smaller_kinds_are_smaller(files):
    none, float16, dynamic, _ = ((files / f"{kind}.tflite").stat().st_size for kind in KINDS)
    assert dynamic < float16 < none


def test_images_make_the_8_bit_weights_agree_better(classifier, files, tmp_path):
    export_tflite(classifier, small_info(), tmp_path / "plain.tflite", "dynamic")
    pixels = images(200, seed=1)
    exact = answers(classifier, pixels)
    plain = np.abs(open_model(tmp_path / "plain.tflite")(pixels) - exact).mean()
    corrected = np.abs(open_model(files / "dynamic.tflite")(pixels) - exact).mean()
    assert corrected < plain / 2


def test_labels_lie_beside_it(files):
    assert next(files.glob("*.labels.txt")).read_text(encoding="utf-8").splitlines() == list(LABELS)


def test_dark_images_alone_do_not_spoil_the_range(classifier, tmp_path):
    export_tflite(classifier, small_info(), tmp_path / "a.tflite", "int8", images(10) // 4)
    [pixels] = Interpreter(str(tmp_path / "a.tflite")).get_input_details()
    assert pixels["quantization"] == (1.0, 0)


def test_int8_without_images_is_refused(classifier, tmp_path):
    with pytest.raises(ModelError, match="calibration images"):
        export_tflite(classifier, small_info(), tmp_path / "a.tflite", "int8")
    assert not list(tmp_path.iterdir())


class Digamma(keras.layers.Layer):
    def call(self, x):
        return tf.math.digamma(x + 1)


def test_operation_that_litert_lacks_is_named(tmp_path, capfd):
    pixels = keras.Input((8, 8, 3), dtype="uint8")
    features = Digamma()(keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(pixels)))
    model = keras.Model(pixels, keras.layers.Dense(2, activation="softmax")(features))
    with pytest.raises(ModelError, match="it uses Digamma") as caught:
        export_tflite(model, ModelInfo(("a", "b"), Geometry(8, 8)), tmp_path / "a.tflite")
    assert len(str(caught.value).splitlines()) <= 3
    assert not list(tmp_path.iterdir())
    assert capfd.readouterr() == ("", "")
