"""`fit --transfer scratch` and `full`: other ways to train, and the same run at the end."""

from __future__ import annotations

import json

import pytest

NETWORK = ("--backbone", "Tiny", "--batch-size", "16", "--set", "head.dropout=0.1")
FULL = ("--transfer", "full", "--set", "finetune.epochs=2")


@pytest.mark.parametrize(
    ("options", "phase"),
    [
        (("--transfer", "scratch", "--epochs", "2"), "1-scratch"),
        ((*FULL, "--set", "finetune.unfreeze=all"), "1-full"),
        ((*FULL, "--set", "finetune.unfreeze=from:block3"), "1-full"),
    ],
    ids=["scratch", "full", "full above a boundary"],
)
def test_it_trains_measures_and_answers(tlk, photos, tmp_path, options, phase):
    run = tmp_path / "run"
    done = tlk("fit", photos, *NETWORK, *options, "--name", "run", "--runs-dir", tmp_path, "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["training"]["epochs"] == 2 and found["phase"] == phase
    files = {file.name for file in (run / "phases" / phase).iterdir()}
    assert files >= {"history.csv", "summary.json", "model.keras"}
    measured = tlk("evaluate", run, "--json")
    assert measured.code == 0, measured.err
    loss = json.loads(measured.out)["evaluation"]["loss"]
    assert loss == pytest.approx(found["evaluation"]["loss"], rel=1e-3)
    answered = tlk("predict", run, photos, "--json")
    assert answered.code == 0 and len(answered.out.splitlines()) == 60
