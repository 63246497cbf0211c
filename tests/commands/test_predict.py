"""`tlk predict` with every kind of model and image."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys

import pytest

from tests.commands.tlk import ROOT


@pytest.fixture(scope="module")
def photo(photos):
    return next((photos / "red").glob("*.jpg"))


def test_a_run_answers_with_its_labels(tlk, finished, photo):
    done = tlk("predict", finished, photo, "--json", "--top", 2)
    assert done.code == 0, done.err
    answer = json.loads(done.out)
    assert answer["path"] == str(photo) and len(answer["classes"]) == 2
    assert {c["label"] for c in answer["classes"]} <= {"red", "green", "blue"}


def test_folders_globs_and_stdin(tlk, finished, photos):
    by_folder = tlk("predict", finished, photos, "--csv")
    rows = list(csv.DictReader(io.StringIO(by_folder.out)))
    assert len({row["path"] for row in rows}) == 60
    by_glob = tlk("predict", finished, f"{photos}/red/*_0*.jpg", "--json")
    assert len(by_glob.out.splitlines()) == 10
    paths = "\n".join(str(path) for path in sorted(photos.rglob("*.jpg"))[:3])
    piped = subprocess.run([sys.executable, "-m", "tl_keras", "predict", finished, "-", "--json"],
                           input=paths, capture_output=True, text=True, cwd=ROOT)  # fmt: skip
    assert piped.returncode == 0 and len(piped.stdout.splitlines()) == 3
    assert piped.stderr == "", "a process says nothing but the answer"


def test_bad_images_are_rows_and_the_rest_go_on(tlk, finished, photo, tmp_path):
    broken = tmp_path / "broken.jpg"
    broken.write_text("no image")
    done = tlk("predict", finished, broken, photo, tmp_path / "missing.jpg", "--json")
    answers = [json.loads(line) for line in done.out.splitlines()]
    assert done.code == 1
    assert [("error" in answer) for answer in answers] == [True, False, True]
    assert "file not found" in answers[2]["error"]
    table = tlk("predict", finished, broken, photo)
    assert table.code == 1 and "error:" in table.out and "1 image could not be read" in table.err


def test_nothing_to_predict(tlk, finished, tmp_path):
    assert "No images in" in tlk("predict", finished, tmp_path).err
    assert "No images in" in tlk("predict", finished, tmp_path / "*.jpg").err
    assert tlk("predict", finished).code == 2


@pytest.mark.parametrize("name", ["model.tflite", "model.onnx", "model.keras", "folder"])
def test_files_that_are_no_models(tlk, photo, tmp_path, name):
    path = tmp_path / name
    if name == "folder":
        path.mkdir()
    else:
        path.write_text("this is not a model")
    done = tlk("predict", path, photo)
    assert done.code == 1 and str(path) in done.err and "Traceback" not in done.err
    assert len(done.err.strip().splitlines()) <= 4


def test_a_model_that_is_not_there(tlk, photo, tmp_path):
    done = tlk("predict", tmp_path / "nothing", photo)
    assert done.code == 1 and "nothing" in done.err


@pytest.mark.parametrize("form", ["saved_model", "tflite", "onnx"])
def test_exported_files_answer_as_the_run_does(tlk, run, photos, form):
    exported = tlk("export", run, "--format", form, "--json")
    assert exported.code == 0, exported.err
    ours = tlk("predict", run, photos, "--json").out.splitlines()
    theirs = tlk("predict", json.loads(exported.out)["path"], photos, "--json").out.splitlines()
    assert len(ours) == 60
    for a, b in zip(map(json.loads, ours), map(json.loads, theirs), strict=True):
        assert a["path"] == b["path"]
        expected = {c["label"]: c["score"] for c in a["classes"]}
        assert {c["label"]: c["score"] for c in b["classes"]} == pytest.approx(expected, abs=1e-4)


def test_tflite_answers_without_tensorflow(tlk, run, photo):
    assert tlk("export", run, "--format", "tflite").code == 0
    file = run / "exports" / "model.tflite"
    code = (
        "import sys\n"
        f"sys.argv = ['tlk', 'predict', {str(file)!r}, {str(photo)!r}]\n"
        "from tl_keras.cli.main import run\n"
        "assert run() == 0\n"
        "print('HEAVY', sorted({'tensorflow', 'keras'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert "HEAVY []" in done.stdout and "red" in done.stdout and done.stderr == ""
