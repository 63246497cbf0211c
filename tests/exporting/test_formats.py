from __future__ import annotations

import numpy as np
import onnx
import pytest

from tests.exporting.classifiers import answers, images, small_classifier, small_info
from tl_keras.errors import RunError
from tl_keras.exporting.certificate import agreement
from tl_keras.exporting.onnx import export_onnx
from tl_keras.exporting.saved_model import export_saved_model
from tl_keras.exporting.tflite import export_tflite
from tl_keras.inference.open import open_model
from tl_keras.models.saved.keras_file import save_classifier

EXPORTS = {
    "model.keras": save_classifier,
    "saved_model": export_saved_model,
    "model.onnx": export_onnx,
    "model.tflite": export_tflite,
}
by_form = pytest.mark.parametrize(("name", "export"), EXPORTS.items(), ids=EXPORTS)


@by_form
def test_multilabel_answers_agree(name, export, tmp_path):
    classifier, info = small_classifier("sigmoid"), small_info("multilabel")
    export(classifier, info, tmp_path / name)
    predictor = open_model(tmp_path / name)
    pixels = images(50, seed=3)
    found = agreement(answers(classifier, pixels), predictor(pixels), "multilabel")
    assert predictor.info == info
    assert found.same_top1 == 1
    assert found.max_difference < 1e-4


@by_form
def test_exporting_is_silent_and_replaces_what_was_there(name, export, tmp_path, capfd):
    for seed in (1, 2):
        classifier = small_classifier(seed=seed)
        export(classifier, small_info(), tmp_path / name)
    assert capfd.readouterr() == ("", "")
    pixels = images(5)
    np.testing.assert_allclose(open_model(tmp_path / name)(pixels), answers(classifier, pixels), atol=1e-4)
    assert {path.name for path in tmp_path.iterdir()} <= {name, "model.labels.txt"}


@by_form
def test_place_that_cannot_be_written(name, export, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="Cannot write"):
        export(small_classifier(), small_info(), tmp_path / "file" / name)


@by_form
def test_exporting_leaves_the_model_as_it_was(name, export, tmp_path):
    classifier = small_classifier()
    config, before = classifier.get_config(), answers(classifier, images(5))
    options = {"quantize": "int8", "calibration": images(5)} if export is export_tflite else {}
    export(classifier, small_info(), tmp_path / name, **options)
    assert classifier.get_config() == config
    np.testing.assert_array_equal(answers(classifier, images(5)), before)


def test_onnx_is_valid_and_takes_any_number_of_images(shipped):
    model = onnx.load(shipped[1]["onnx"])
    onnx.checker.check_model(model, full_check=True)
    [pixels] = model.graph.input
    assert (pixels.name, model.graph.output[0].name) == ("images", "probabilities")
    assert pixels.type.tensor_type.shape.dim[0].dim_param
