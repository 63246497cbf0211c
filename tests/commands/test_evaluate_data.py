"""`tlk evaluate --data`: each set of images has results of its own."""

from __future__ import annotations

import json
from pathlib import Path

from tests.commands.look import rows_of
from tests.images import class_folders


def measured(tlk, run: Path, data: Path) -> Path:
    """Evaluate on other images and return the folder of the results about them."""
    done = tlk("evaluate", run, "--data", data)
    assert done.code == 0, done.err
    files = (run / "evaluations").rglob("metrics.json")
    (found,) = [file.parent for file in files if json.loads(file.read_text())["data"] == str(data)]
    return found


def test_folders_of_the_same_name_do_not_share_results(tlk, run, tmp_path):
    first = class_folders(tmp_path / "a" / "test", classes=2, per_class=4, seed=70)
    second = class_folders(tmp_path / "b" / "test", classes=2, per_class=5, seed=90)
    of_first = measured(tlk, run, first)
    before = {file.name: file.read_bytes() for file in of_first.iterdir()}
    of_second = measured(tlk, run, second)
    assert of_first != of_second
    assert {file.name: file.read_bytes() for file in of_first.iterdir()} == before
    assert len(rows_of(of_first / "predictions.csv")) == 8
    assert len(rows_of(of_second / "predictions.csv")) == 10


def test_the_same_folder_again_replaces_its_results(tlk, run, tmp_path, monkeypatch):
    data = class_folders(tmp_path / "test", classes=2, per_class=4, seed=70)
    first = measured(tlk, run, data)
    class_folders(data, classes=2, per_class=6, seed=70)
    assert measured(tlk, run, data) == first
    assert len(rows_of(first / "predictions.csv")) == 12
    monkeypatch.chdir(tmp_path)
    assert tlk("evaluate", run, "--data", "test").code == 0
    assert len(list((run / "evaluations").rglob("metrics.json"))) == 1, "the same folder by another name"
