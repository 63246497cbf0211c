"""`tlk evaluate` on a run's own images and on others."""

from __future__ import annotations

import csv
import json

from tests.images import class_folders


def test_it_repeats_what_fit_reported(tlk, run):
    before = json.loads((run / "metrics.json").read_text())
    (run / "metrics.json").unlink()
    done = tlk("evaluate", run)
    assert done.code == 0, done.err
    assert json.loads((run / "metrics.json").read_text()) == before
    assert "test accuracy" in done.out and "confusion matrix" in done.out and "weighted" in done.out


def test_predictions_are_listed_mistakes_first(tlk, run):
    assert tlk("evaluate", run).code == 0
    with (run / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["split"] for row in rows} == {"test"}
    assert [row["correct"] for row in rows] == sorted(row["correct"] for row in rows)


def test_another_split_is_put_beside_and_marked(tlk, run):
    before = (run / "metrics.json").read_bytes()
    done = tlk("evaluate", run, "--split", "val", "--json")
    found = json.loads(done.out)
    assert found["used_for_selection"] is True
    assert (run / "evaluations" / "val" / "predictions.csv").is_file()
    assert (run / "metrics.json").read_bytes() == before


def test_images_that_were_trained_on_are_counted(tlk, run, photos):
    own = tlk("evaluate", run, "--split", "train")
    assert "were trained on)" in own.out and "choose the best epoch" not in own.out
    again = json.loads(tlk("evaluate", run, "--data", photos, "--json").out)
    assert again["trained_on"] == 48 and again["evaluation"]["images"] == 60


def test_from_inside_the_run(tlk, run, monkeypatch):
    monkeypatch.chdir(run)
    assert tlk("evaluate", ".").code == 0


def test_other_images(tlk, run, tmp_path):
    data = class_folders(tmp_path / "new", classes=2, per_class=4, seed=77)
    (data / "red" / "broken.jpg").write_text("no image")
    done = tlk("evaluate", run, "--data", data)
    assert done.code == 0, done.err
    assert "8 images" in done.out and "broken.jpg" in done.err
    assert "choose the best epoch" not in done.out


def test_one_class_alone(tlk, run, tmp_path):
    data = class_folders(tmp_path / "new", classes=1, per_class=4, seed=77)
    assert tlk("evaluate", run, "--data", data).code == 0


def test_classes_that_the_model_does_not_know(tlk, run, tmp_path):
    data = class_folders(tmp_path / "new", classes=2)
    (data / "red").rename(data / "reds")
    done = tlk("evaluate", run, "--data", data)
    assert done.code == 1 and "does not know these classes: reds" in done.err and "'red'" in done.err


def test_a_split_that_is_not_there(tlk, run, tmp_path):
    data = class_folders(tmp_path / "new", classes=2)
    done = tlk("evaluate", run, "--data", data, "--split", "test")
    assert done.code == 1 and "no images of split 'test'" in done.err


def test_rows_that_make_no_sense(tlk, run, photos, tmp_path):
    image = next(photos.rglob("*.jpg"))
    (tmp_path / "labels.csv").write_text(f"path,label\n{image},red\nb.jpg,\nc.jpg,\n")
    done = tlk("evaluate", run, "--data", tmp_path / "labels.csv")
    assert done.code == 1
    assert "labels.csv, line 3: the label of 'b.jpg' is empty" in done.err and "And 1 more" in done.err


def test_groups_and_exclusions_are_those_of_the_runs_own_images(tlk, run, tmp_path):
    config = run / "config.yaml"
    text = config.read_text()
    assert "group_by: null" in text and "exclude: null" in text
    config.write_text(
        text.replace("group_by: null", "group_by: nowhere").replace("exclude: null", "exclude: /none.csv")
    )
    data = class_folders(tmp_path / "new", classes=2, per_class=2)
    done = tlk("evaluate", run, "--data", data)
    assert done.code == 0, done.err
