"""What an earlier version wrote is opened, repeated and gone on with: see tests/old_runs."""

from __future__ import annotations

import json

import pytest

from tests.commands.look import rows_of


@pytest.fixture
def flowers(old):
    return old / "runs" / "flowers"


def test_it_is_listed_and_so_is_what_is_unfinished(tlk, old):
    done = tlk("runs", "--runs-dir", old / "runs", "--json")
    assert done.code == 0, done.err
    found = {item["name"]: item for item in json.loads(done.out)}
    assert found["flowers"]["backbone"] == "MobileNet" and found["flowers"]["phase"] == "1-head"
    assert "stopped" in done.err and f"tlk resume {old / 'runs' / 'stopped'}" in done.err


def test_it_is_measured_as_it_was(tlk, flowers):
    before = json.loads((flowers / "metrics.json").read_text())
    (flowers / "metrics.json").unlink()
    done = tlk("evaluate", flowers)
    assert done.code == 0, done.err
    after = json.loads((flowers / "metrics.json").read_text())
    assert after["split"] == before["split"] == "test"
    assert after["evaluation"]["loss"] == pytest.approx(before["evaluation"]["loss"], rel=1e-3)
    assert after["evaluation"]["accuracy"] == before["evaluation"]["accuracy"]


def test_it_answers_as_it_did(tlk, flowers):
    told = {row["path"]: row["predicted"] for row in rows_of(flowers / "predictions.csv")}
    done = tlk("predict", flowers, *told, "--json", "--top", 1)
    assert done.code == 0, done.err
    answers = [json.loads(line) for line in done.out.splitlines()]
    assert {answer["path"]: answer["classes"][0]["label"] for answer in answers} == told


@pytest.mark.parametrize("model", ["model.keras", "phases/1-head/model.keras"])
def test_its_model_files_answer_alone(tlk, flowers, old, model):
    done = tlk("predict", flowers / model, old / "photos" / "red", "--json")
    assert done.code == 0 and len(done.out.splitlines()) == 6, done.err


def test_it_is_fine_tuned(tlk, flowers):
    done = tlk("unfreeze-and-finetune", flowers, "--unfreeze", "last:0.3", "--epochs", 1, "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["training"]["epochs"] == 1
    assert (flowers / "phases" / "2-finetune" / "history.csv").is_file()
    assert (flowers / "phases" / "1-head" / "history.csv").is_file()


def test_it_is_exported(tlk, flowers):
    done = tlk("export", flowers, "--format", "tflite", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["agreement"]["max_difference"] < 1e-4


def test_its_settings_repeat_it_on_the_features_that_are_stored(tlk, flowers, old):
    done = tlk("fit", "--config", flowers / "config.yaml", "--name", "again", "--runs-dir", old / "runs")
    assert done.code == 0, done.err
    assert "18 were stored, 0 are new" in done.err
    again = old / "runs" / "again"
    for name in ("labels.txt", "manifest.csv"):
        assert (again / name).read_text() == (flowers / name).read_text()
    before, after = (rows_of(run / "phases" / "1-head" / "history.csv") for run in (flowers, again))
    assert [float(row["val_loss"]) for row in after] == pytest.approx(
        [float(row["val_loss"]) for row in before], rel=1e-3
    )


def test_its_stored_features_are_listed(tlk, old):
    done = tlk("cache", "--json")
    assert done.code == 0, done.err
    stores = [store for store in json.loads(done.out) if "backbone" in store["about"]]
    assert [(store["rows"], store["runs"]) for store in stores] == [(18, [str(old / "runs" / "flowers")])]


@pytest.mark.slow
def test_what_was_stopped_is_trained_to_its_end(tlk, old):
    stopped = old / "runs" / "stopped"
    begun = rows_of(old / "runs" / ".unfinished" / "stopped" / "phases" / "1-head" / "history.csv")
    done = tlk("resume", stopped)
    assert done.code == 0, done.err
    assert "resuming after an interruption: epoch 3, batch 2" in done.err
    history = rows_of(stopped / "phases" / "1-head" / "history.csv")
    assert len(history) == 40 and history[: len(begun)] == begun
    assert tlk("evaluate", stopped).code == 0
    assert not (old / "runs" / ".unfinished").exists()
