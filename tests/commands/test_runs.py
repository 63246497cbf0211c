"""`tlk runs`."""

from __future__ import annotations

import json
import shutil


def test_newest_first_with_what_counts(tlk, run):
    shutil.copytree(run, run.parent / "newer")
    model = run.parent / "newer" / "model.keras"
    model.write_bytes(model.read_bytes())
    done = tlk("runs", "--runs-dir", run.parent, "--json")
    found = json.loads(done.out)
    assert [item["name"] for item in found] == ["newer", "finished"]
    assert found[0]["backbone"] == "MobileNet" and found[0]["phase"] == "1-head"
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
