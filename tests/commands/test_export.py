"""`tlk export`: every format, checked by running the file."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.commands.tlk import tlk_process


@pytest.mark.parametrize("quantize", ["none", "float16", "dynamic", "int8"])
def test_tflite(tlk, run, quantize):
    done = tlk("export", run, "--format", "tflite", "--quantize", quantize, "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    path = Path(found["path"])
    assert path.parent == run / "exports" and path.is_file()
    assert path.with_suffix(".labels.txt").read_text().split() == ["blue", "green", "red"]
    assert found["agreement"]["max_difference"] < (1e-4 if quantize == "none" else 0.5)
    with zipfile.ZipFile(path) as inside:
        assert inside.read("labels.txt").split() == [b"blue", b"green", b"red"]


def test_saved_model_answers_bytes_without_this_package(tlk, run, photos):
    done = tlk_process("export", run, "--format", "saved_model")
    assert done.code == 0 and "same answer on 100.0%" in done.out
    assert done.err.splitlines() == [f"exporting to {run / 'exports' / 'saved_model'}"], "no noise"
    photo = next((photos / "red").glob("*.jpg"))
    code = (
        "import os, sys; os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'\n"
        "import tensorflow as tf\n"
        f"model = tf.saved_model.load({str(run / 'exports' / 'saved_model')!r})\n"
        f"jpeg = open({str(photo)!r}, 'rb').read()\n"
        "out = model.signatures['serve_bytes'](image_bytes=tf.constant([jpeg, jpeg]))\n"
        "assert not any(name.startswith('tl_keras') for name in sys.modules)\n"
        "print(out['top_labels'].numpy()[1][0].decode(), float(out['probabilities'].numpy()[1].max()))"
    )
    served = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd="/")
    assert served.returncode == 0, served.stderr
    label, score = served.stdout.split()
    ours = json.loads(tlk("predict", run, photo, "--json").out)["classes"][0]
    assert label == ours["label"] and float(score) == pytest.approx(ours["score"], abs=1e-5)


def test_output_goes_where_it_is_sent_and_again(tlk, run, tmp_path):
    target = tmp_path / "phone" / "flowers.tflite"
    export = ("export", run, "--format", "tflite", "--output", target)
    first, second = tlk(*export), tlk(*export)
    assert first.code == second.code == 0
    assert "which is replaced" not in first.err and f"exporting to {target}, which is replaced" in second.err
    assert {path.name for path in target.parent.iterdir()} == {"flowers.tflite", "flowers.labels.txt"}


def test_what_lies_at_the_output_is_never_lost(tlk, run, tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("precious")
    refused = tlk("export", run, "--format", "saved_model", "--output", mine)
    assert refused.code == 1 and "is not a SavedModel" in refused.err
    assert tlk("export", run, "--format", "tflite", "--output", mine).code == 0
    assert {path.name for path in mine.iterdir()} == {"thesis.txt", "model.tflite", "model.labels.txt"}
    wrong = tlk("export", run, "--format", "onnx", "--output", tmp_path / "model.bin")
    assert wrong.code == 1 and "end in .onnx" in wrong.err and not (tmp_path / "model.bin").exists()


def test_quantizing_is_for_tflite(tlk, run):
    done = tlk("export", run, "--format", "onnx", "--quantize", "int8")
    assert done.code == 1 and "--quantize int8 is for --format tflite" in done.err
    assert not (run / "exports").exists()
