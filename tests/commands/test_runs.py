"""`tlk runs`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import tl_keras
from tl_keras.runs.folder import RunFolder


def test_newest_first_with_what_counts(tlk, run):
    shutil.copytree(run, run.parent / "newer")
    model = run.parent / "newer" / "model.keras"
    model.write_bytes(model.read_bytes())
    done = tlk("runs", "--runs-dir", run.parent, "--json")
    found = json.loads(done.out)
    assert [item["name"] for item in found] == ["newer", "finished"]
    assert found[0]["backbone"] == "Tiny" and found[0]["phase"] == "1-head"
    assert 0 <= found[0]["accuracy"] <= 1 and found[0]["split"] == "test"
    assert "photos" in tlk("runs", "--runs-dir", run.parent).out


def test_no_runs_yet(tlk, tmp_path):
    done = tlk("runs", "--runs-dir", tmp_path / "nothing")
    assert done.code == 0 and "tlk fit" in done.err


def test_a_damaged_run_does_not_hide_the_others(tlk, run):
    for damaged in ("{", "{}", "[]", "null"):
        (run / "metrics.json").write_text(damaged)
        done = tlk("runs", "--runs-dir", run.parent)
        assert done.code == 0 and "tlk evaluate" in done.out


def test_half_runs_are_not_listed(tlk, run):
    (run / "model.keras").unlink()
    assert "finished" not in tlk("runs", "--runs-dir", run.parent).out


def test_a_run_that_vanishes_meanwhile_is_left_out(run, monkeypatch):
    whole = RunFolder.missing_files

    def looked_at(folder: RunFolder) -> list[str]:
        missing = whole(folder)
        folder.model_file.unlink(missing_ok=True)
        return missing

    monkeypatch.setattr(RunFolder, "missing_files", looked_at)
    assert tl_keras.runs(run.parent) == []


def stopped(folder: Path, tiny) -> None:
    """Leave what a stopped training leaves."""
    (folder / "phases" / "1-head" / "checkpoints").mkdir(parents=True)
    (folder / "phases" / "1-head" / "checkpoints" / "000001-00000002.npz").write_bytes(b"")
    (folder / "asked.yaml").write_text(tiny.to_yaml())


def test_what_was_stopped_is_listed_with_the_command_that_resumes_it(tlk, tmp_path, tiny):
    stopped(tmp_path / ".unfinished" / "my run", tiny)
    done = tlk("runs", "--runs-dir", tmp_path, "--json")
    (found,) = json.loads(done.out)
    resume = f"tlk resume '{tmp_path / 'my run'}'"
    assert (found["name"], found["phase"], found["resume"]) == ("my run", "unfinished", resume)
    assert found["accuracy"] is None and found["backbone"] == "Tiny" and found["made"][:2] == "20"
    assert [run.finished for run in tl_keras.runs(tmp_path)] == [False]
    table = tlk("runs", "--runs-dir", tmp_path)
    assert "unfinished" in table.out and f"my run is unfinished; resume it with: {resume}" in table.err


def test_a_stopped_run_that_was_to_replace_another_says_so(run, tiny):
    stopped(run.parent / ".unfinished" / run.name, tiny)
    finished, unfinished = sorted(tl_keras.runs(run.parent), key=lambda one: not one.finished)
    assert finished.accuracy is not None and finished.resume == ""
    assert unfinished.resume == "" and "--overwrite" in unfinished.problem


def test_a_stopped_fine_tuning_is_known_of_its_run(tlk, run):
    (run / ".unfinished" / "2-finetune" / "checkpoints").mkdir(parents=True)
    (run / ".unfinished" / "2-finetune" / "checkpoints" / "000001-00000002.npz").write_bytes(b"")
    done = tlk("runs", "--runs-dir", run.parent, "--json")
    (found,) = json.loads(done.out)
    assert found["phase"] == "1-head" and found["resume"] == f"tlk resume {run}"
    assert f"the fine-tuning of finished is unfinished; resume it with: tlk resume {run}" in done.err
