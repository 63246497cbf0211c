"""`tlk export` after a kill, and when the comparison with the model cannot be made."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.commands.look import rows_of


def answers(tlk, model: Path, photos: Path) -> list[str]:
    done = tlk("predict", model, photos / "red", "--json", "--top", 1)
    assert done.code == 0, done.err
    return [json.loads(line)["classes"][0]["label"] for line in done.out.splitlines()]


def test_what_a_kill_left_is_no_obstacle(tlk, run, photos):
    """It came between the two renames of a replacement: the old folder is aside, and a new one is there."""
    exported = run / "exports" / "saved_model"
    for folder in (exported, exported.with_name(".saved_model.replaced")):
        (folder / "variables").mkdir(parents=True)
        (folder / "saved_model.pb").write_bytes(b"old")
    done = tlk("export", run, "--format", "saved_model")
    assert done.code == 0, done.err
    assert answers(tlk, exported, photos) == answers(tlk, run, photos)
    assert [path.name for path in (run / "exports").iterdir()] == ["saved_model"]


def test_what_a_kill_left_without_a_new_folder_is_no_obstacle(tlk, run):
    left = run / "exports" / ".saved_model.replaced"
    (left / "variables").mkdir(parents=True)
    (left / "saved_model.pb").write_bytes(b"old")
    for _ in range(2):
        done = tlk("export", run, "--format", "saved_model")
        assert done.code == 0, done.err
    assert [path.name for path in (run / "exports").iterdir()] == ["saved_model"]


@pytest.fixture
def moved(run, photos, tmp_path) -> Path:
    """A run whose val images are gone."""
    own = Path(shutil.copytree(photos, tmp_path / "own"))
    for name in ("manifest.csv", "config.yaml"):
        text = (run / name).read_text()
        (run / name).write_text(text.replace(str(photos), str(own)))
    for row in rows_of(run / "manifest.csv"):
        if row["split"] == "val":
            Path(row["path"]).unlink()
    return run


FORMS = [("tflite", "model.tflite"), ("saved_model", "saved_model"), ("onnx", "model.onnx")]


@pytest.mark.parametrize(("form", "name"), FORMS)
def test_a_file_that_was_not_compared_is_not_there(tlk, moved, form, name):
    done = tlk("export", moved, "--format", form)
    assert done.code == 1 and "val images of this run are not where they were" in done.err
    assert not (moved / "exports" / name).exists()
    assert not list((moved / "exports").glob("*")), "nor is anything that belongs to it"


def test_nor_where_it_was_sent(tlk, moved, tmp_path):
    target = tmp_path / "phone" / "flowers.tflite"
    assert tlk("export", moved, "--format", "tflite", "--output", target).code == 1
    assert not target.parent.exists() or not list(target.parent.iterdir())


@pytest.mark.parametrize("earlier", ["model.tflite", "model.labels.txt"])
def test_an_earlier_export_stays_as_it_was(tlk, moved, earlier):
    (moved / "exports").mkdir()
    for name in ("model.tflite", "model.labels.txt"):
        (moved / "exports" / name).write_bytes(b"earlier " + name.encode())
    assert tlk("export", moved, "--format", "tflite").code == 1
    assert (moved / "exports" / earlier).read_bytes() == b"earlier " + earlier.encode()
