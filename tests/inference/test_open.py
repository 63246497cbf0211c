from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.exporting.classifiers import HEIGHT, LABELS, WIDTH, answers, images, small_info
from tl_keras.core.geometry import Geometry
from tl_keras.core.model_info import ModelInfo
from tl_keras.errors import ModelError
from tl_keras.exporting.certificate import agreement
from tl_keras.inference.open import open_model
from tl_keras.models.saved.embedded_info import embed

FORMS = ("keras", "saved_model", "onnx", "tflite", "tflite-int8")


@pytest.mark.parametrize("form", FORMS)
def test_every_form_answers_as_the_model_does(shipped, form):
    classifier, paths = shipped
    pixels = images(100, seed=1)
    predictor = open_model(paths[form])
    got = predictor(pixels)
    assert got.dtype == np.float32
    assert (predictor.input_shape, predictor.output_classes) == ((HEIGHT, WIDTH), len(LABELS))
    found = agreement(answers(classifier, pixels), got)
    if form == "tflite-int8":
        assert found.same_top1 >= 0.9
    else:
        assert found.same_top1 == 1
        assert found.max_difference < 1e-4


@pytest.mark.parametrize("form", FORMS)
def test_info_travels_with_the_model(shipped, form):
    assert open_model(shipped[1][form]).info == small_info()


@pytest.mark.parametrize("form", FORMS)
def test_no_images_give_no_answers(shipped, form):
    assert open_model(shipped[1][form])(images(0)).shape == (0, len(LABELS))


def test_images_of_another_kind_are_refused(shipped):
    predictor = open_model(shipped[1]["tflite"])
    with pytest.raises(ValueError, match=r"uint8 \[n, 32, 24, 3\], found float32"):
        predictor(images(2).astype(np.float32))
    with pytest.raises(ValueError, match="found uint8"):
        predictor(images(2)[:, :, :, :1])


def test_name_does_not_matter(shipped, tmp_path):
    renamed = shutil.copy(shipped[1]["tflite"], tmp_path / "model.bin")
    assert open_model(Path(renamed)).info == small_info()


@pytest.mark.parametrize(("form", "runtime"), [("tflite", "ai_edge_litert"), ("onnx", "onnxruntime")])
def test_only_the_runtime_needed_is_imported_and_nothing_is_printed(shipped, form, runtime):
    code = (
        "import sys, numpy as np, pathlib\n"
        "from tl_keras.inference.open import open_model\n"
        "predictor = open_model(pathlib.Path(sys.argv[1]))\n"
        "predictor(np.zeros((3, *predictor.input_shape, 3), np.uint8))\n"
        "print(*sorted({'tensorflow', 'keras', 'onnxruntime', 'ai_edge_litert'} & set(sys.modules)))\n"
    )
    command = [sys.executable, "-c", code, str(shipped[1][form])]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (done.stdout.split(), done.stderr) == ([runtime], "")


def _refused(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        open_model(path)
    text = str(caught.value)
    assert len(text.splitlines()) <= 3
    return text


def test_missing_path(tmp_path):
    assert "There is no model at" in _refused(tmp_path / "model.keras")


def test_folder_without_a_model(tmp_path):
    assert "found no saved_model.pb" in _refused(tmp_path)


def test_folder_around_a_model(tmp_path):
    (tmp_path / "model.tflite").touch()
    assert f"Did you mean {tmp_path / 'model.tflite'}?" in _refused(tmp_path)


def test_text_renamed(tmp_path):
    for name in ("model.tflite", "model.keras", "model.onnx"):
        file = tmp_path / name
        file.write_text("<!DOCTYPE html><title>404</title>")
        assert "Expected a" in _refused(file) or "expected a .onnx file" in _refused(file)


def test_empty_and_hdf5(tmp_path):
    for content, found in ((b"", "an empty file"), (b"\x89HDF\r\n\x1a\n" + bytes(99), "an HDF5 file")):
        (tmp_path / "model.keras").write_bytes(content)
        assert found in _refused(tmp_path / "model.keras")


@pytest.mark.parametrize("form", ["keras", "tflite", "onnx"])
@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9])
def test_truncated_file(shipped, tmp_path, form, kept):
    whole = shipped[1][form]
    cut = tmp_path / whole.name
    cut.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * kept)])
    assert "damaged" in _refused(cut)


def test_truncated_saved_model(shipped, tmp_path):
    for name in ("saved_model.pb", "variables/variables.data-00000-of-00001"):
        cut = tmp_path / name.replace("/", "-")
        shutil.copytree(shipped[1]["saved_model"], cut)
        content = (cut / name).read_bytes()
        (cut / name).write_bytes(content[: len(content) // 2])
        assert "damaged" in _refused(cut)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    head=st.sampled_from([b"", b"PK\x03\x04", b"\x1c\0\0\0TFL3", b"\x08\x07\x12\x07"]),
    body=st.binary(max_size=200),
    suffix=st.sampled_from([".keras", ".tflite", ".onnx", ".h5", ""]),
)
def test_no_file_whatsoever_gets_another_error(tmp_path, head, body, suffix):
    file = tmp_path / f"model{suffix}"
    file.write_bytes(head + body)
    _refused(file)


def test_model_without_our_info(tmp_path):
    pixels = keras.Input((8, 8, 3), dtype="uint8")
    hidden = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(pixels))
    keras.Model(pixels, keras.layers.Dense(4)(hidden)).save(tmp_path / "model.keras")
    predictor = open_model(tmp_path / "model.keras")
    assert predictor.info is None
    assert (predictor.input_shape, predictor.output_classes) == ((8, 8), 4)


def test_model_with_float_input_is_refused(tmp_path):
    pixels = keras.Input((8, 8, 3))
    keras.Model(pixels, keras.layers.Dense(4)(keras.layers.Flatten()(pixels))).save(tmp_path / "model.keras")
    assert "found float32 [n, 8, 8, 3] -> float32 [n, 4]" in _refused(tmp_path / "model.keras")


def test_saved_model_without_a_signature(tmp_path):
    tf.saved_model.save(tf.Module(), str(tmp_path / "empty"))
    assert "expected a signature serving_default, found none" in _refused(tmp_path / "empty")


def test_info_of_another_model(tmp_path):
    pixels = keras.Input((8, 8, 3), dtype="uint8")
    hidden = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(pixels))
    keras.Model(pixels, keras.layers.Dense(4)(hidden)).save(tmp_path / "model.keras")
    embed(tmp_path / "model.keras", ModelInfo(("a", "b"), Geometry(8, 8)))
    assert "contradicts" in _refused(tmp_path / "model.keras")
