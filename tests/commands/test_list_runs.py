"""`tlk runs`: what can be opened, and what can go on."""

from __future__ import annotations

import json
import shutil

import pytest

import tl_keras


def listed(tlk, runs) -> dict[str, dict]:
    done = tlk("runs", "--runs-dir", runs, "--json")
    assert done.code == 0, done.err
    return {item["name"]: item for item in json.loads(done.out)}


@pytest.mark.parametrize(
    "missing",
    [("config.yaml", "labels.txt", "manifest.csv"), ("config.yaml",), ("labels.txt",), ("manifest.csv",)],
)
def test_what_cannot_be_opened_is_not_listed(tlk, run, missing):
    broken = shutil.copytree(run, run.parent / "broken")
    for name in missing:
        (broken / name).unlink()
    refused = tlk("evaluate", broken)
    assert refused.code == 1 and "is not a finished run" in refused.err
    assert set(listed(tlk, run.parent)) == {"finished"}
    assert [one.name for one in tl_keras.runs(run.parent)] == ["finished"]
    assert "broken" not in tlk("runs", "--runs-dir", run.parent).out


@pytest.mark.parametrize("missing", ["config.yaml", "labels.txt", "manifest.csv"])
def test_nor_is_it_proposed(tlk, run, missing):
    broken = shutil.copytree(run, run.parent / "flowers")
    (broken / missing).unlink()
    done = tlk("evaluate", run.parent / "flower")
    assert done.code == 1 and "There is no run at" in done.err and "Did you mean" not in done.err


def test_a_model_file_that_leads_nowhere_is_no_run(tlk, run):
    (run.parent / "gone").mkdir()
    (run.parent / "gone" / "model.keras").symlink_to(run.parent / "nothing")
    (run.parent / "a file").write_text("")
    assert set(listed(tlk, run.parent)) == {"finished"}


def test_what_was_stopped_is_listed_as_such(tlk, old):
    runs = old / "runs"
    found = listed(tlk, runs)
    assert set(found) == {"flowers", "stopped"}
    assert "unfinished" in json.dumps(found["stopped"]) and "tlk resume" in json.dumps(found["stopped"])
    assert found["stopped"]["accuracy"] is None
    assert found["flowers"]["accuracy"] is not None and found["flowers"]["problem"] == ""
    assert {one.name for one in tl_keras.runs(runs)} == {"flowers", "stopped"}


def test_a_folder_with_nothing_but_a_stopped_run_is_listed(tlk, old):
    shutil.rmtree(old / "runs" / "flowers")
    assert set(listed(tlk, old / "runs")) == {"stopped"}
    assert [one.name for one in tl_keras.runs(old / "runs")] == ["stopped"]


def test_a_damaged_source_model_is_made_anew_by_pretrain(tlk, photos, tmp_path):
    options = ("--backbone", "Tiny", "--epochs", 1, "--name", "source", "--runs-dir", tmp_path)
    assert tlk("pretrain", photos, *options).code == 0
    source = tmp_path / "source"
    whole = (source / "model.keras").read_bytes()
    (source / "model.keras").write_bytes(whole[: len(whole) // 2])
    done = tlk("evaluate", source)
    assert done.code == 1 and "is damaged" in done.err
    assert f"tlk pretrain --config {source / 'config.yaml'}" in done.err and "tlk fit" not in done.err


def test_a_damaged_run_is_made_anew_by_fit(tlk, run):
    (run / "model.keras").write_bytes(b"PK")
    done = tlk("evaluate", run)
    assert done.code == 1 and f"tlk fit --config {run / 'config.yaml'}" in done.err
