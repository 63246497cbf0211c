from __future__ import annotations

import shutil
import zipfile

import keras
import pytest
from ai_edge_litert.interpreter import Interpreter

from tests.exporting.classifiers import LABELS, small_info
from tl_keras.errors import ModelError
from tl_keras.models.saved.embedded_info import embed, read


@pytest.mark.parametrize("form", ["keras", "saved_model", "onnx", "tflite", "tflite-int8"])
def test_read_what_was_embedded(shipped, form):
    assert read(shipped[1][form]) == small_info()


def test_keras_itself_still_loads_the_file(shipped):
    assert keras.saving.load_model(shipped[1]["keras"]).output_shape == (None, len(LABELS))


def test_litert_itself_still_loads_the_file_and_labels_are_stored_plainly(shipped):
    Interpreter(str(shipped[1]["tflite"])).allocate_tensors()
    with zipfile.ZipFile(shipped[1]["tflite"]) as archive:
        assert archive.read("labels.txt").decode().splitlines() == list(LABELS)
        assert archive.getinfo("labels.txt").compress_type == zipfile.ZIP_STORED


def test_saved_model_has_it_where_serving_leaves_it_alone(shipped):
    extra = shipped[1]["saved_model"] / "assets.extra"
    assert (extra / "labels.txt").read_text(encoding="utf-8").splitlines() == list(LABELS)


def test_foreign_model_has_none(tmp_path):
    pixels = keras.Input((8, 8, 3), dtype="uint8")
    keras.Model(pixels, keras.layers.Flatten()(pixels)).save(tmp_path / "foreign.keras")
    assert read(tmp_path / "foreign.keras") is None


def test_description_of_another_version(shipped, tmp_path):
    model = shutil.copytree(shipped[1]["saved_model"], tmp_path / "model")
    for text in ("{}", "[]", "not json", '{"labels": 3, "geometry": {}, "task": ""}'):
        (model / "assets.extra" / "tl_keras.json").write_text(text)
        with pytest.raises(ModelError, match="cannot read"):
            read(model)


def test_embed_into_no_model(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(ModelError, match="found text"):
        embed(tmp_path / "notes.txt", small_info())
