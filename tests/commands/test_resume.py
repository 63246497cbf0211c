"""Training that is interrupted and resumed: it ends as if it had never been interrupted."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.commands.tlk import heed_interrupts
from tl_keras.errors import Terminated
from tl_keras.runs.folder import RunFolder
from tl_keras.runs.resumable import resumable_phase, resumable_run

OFTEN = "runtime.checkpoint_minutes=1e-9"
FIT = ("--set", "features=off", "--set", "train.ema=0.9", "--set", "train.schedule.kind=plateau")
STAGES = (
    "finetune.stages=[{epochs: 1, unfreeze: none}, {epochs: 2, unfreeze: 'blocks:1'}, "
    "{epochs: 2, unfreeze: 'blocks:3'}]"
)
FINETUNE = (
    "--set",
    STAGES,
    "--learning-rate",
    "0.01",
    "--layer-lr-decay",
    "0.5",
    "--set",
    "finetune.ema=0.9",
)


def weights(run: Path) -> list[np.ndarray]:
    return keras.models.load_model(run / "model.keras", compile=False).get_weights()


def same(one: Path, other: Path, phase: str) -> bool:
    texts = (f"phases/{phase}/history.csv", "predictions.csv", "metrics.json")
    return all((one / name).read_text() == (other / name).read_text() for name in texts) and all(
        map(np.array_equal, weights(one), weights(other))
    )


def stop(signal_: signal.Signals, folder: Path, from_epoch: int, *arguments: object) -> str:
    """Start `tlk`, stop it once `folder` holds a checkpoint of that epoch, and return what it said."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tl_keras", *map(str, arguments), "--set", OFTEN],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, preexec_fn=heed_interrupts,
    )  # fmt: skip
    deadline = time.monotonic() + 200
    while not any(file.stem >= f"{from_epoch:06d}-00000002" for file in folder.rglob("checkpoints/*.npz")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal_)
    said = process.communicate()[1]
    assert process.returncode == (130 if signal_ == signal.SIGINT else -9), said
    return said


@pytest.fixture(scope="module")
def settings(tiny, tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("settings") / "tiny.yaml"
    file.write_text(tiny.to_yaml())
    return file


@pytest.mark.slow
def test_a_killed_fit_goes_on_and_ends_the_same(tlk, photos, settings, tmp_path):
    fit = ("fit", photos, "--config", settings, "--epochs", 4, *FIT, "--name", "run", "--runs-dir")
    assert tlk(*fit, tmp_path / "whole").code == 0
    runs = tmp_path / "runs"
    stop(signal.SIGKILL, runs, 2, *fit, runs)
    assert "resume it with: tlk resume" in tlk("runs", "--runs-dir", runs).err
    done = tlk("resume", runs / "run", "--json")
    assert done.code == 0 and "resuming after an interruption: epoch 3" in done.err, done.err
    assert json.loads(done.out)["run"] == str(runs / "run")
    assert same(tmp_path / "whole" / "run", runs / "run", "1-head")
    assert not list(runs.rglob("checkpoints")) and not (runs / ".unfinished").exists()


@pytest.mark.slow
def test_a_fit_that_chooses_its_head_goes_on_with_the_one_it_chose(tlk, photos, tmp_path):
    fit = ("fit", photos, "--backbone", "Tiny", "--epochs", 100_000, "--set", "train.early_stopping=0")
    where = ("--name", "run", "--runs-dir", tmp_path)
    said = stop(signal.SIGINT, tmp_path, 1, *fit, *where)
    assert f"Interrupted; resume with: tlk resume {tmp_path / 'run'}" in said and "head: " in said
    begun = tmp_path / ".unfinished" / "run" / "phases" / "1-head"
    shorter = (begun / "config.yaml").read_text().replace("epochs: 100000", "epochs: 3")
    (begun / "config.yaml").write_text(shorter)
    # What a kill after the training leaves: the settings that came of those that were asked for.
    shutil.copyfile(begun / "config.yaml", begun.parents[1] / "config.yaml")
    latest = max(begun.rglob("*.npz"))
    done = tlk(*fit, *where)
    assert done.code == 0, done.err
    assert "head: " not in done.err and f"epoch {int(latest.stem[:6]) + 1}, batch" in done.err
    assert (tmp_path / "run" / "phases" / "1-head" / "head_search.csv").is_file()


@pytest.mark.slow
def test_a_fine_tuning_killed_in_a_stage_goes_on_in_it(tlk, run):
    whole = Path(shutil.copytree(run, run.parent / "whole"))
    assert tlk("unfreeze-and-finetune", whole, *FINETUNE).code == 0
    before = weights(run)
    stop(signal.SIGKILL, run / ".unfinished", 2, "unfreeze-and-finetune", run, *FINETUNE)
    assert all(map(np.array_equal, before, weights(run))), "an unfinished phase changes nothing"
    assert "the fine-tuning of finished is unfinished" in tlk("runs", "--runs-dir", run.parent).err
    other = tlk("unfreeze-and-finetune", run, *FINETUNE, "--seed", 5)
    assert other.code == 1 and "runtime.seed: 0 there, 5 asked for" in other.err
    done = tlk("resume", run)
    assert done.code == 0 and "resuming after an interruption: epoch 3" in done.err, done.err
    assert same(whole, run, "2-finetune") and not (run / ".unfinished").exists()
    assert not list(run.rglob("checkpoints"))


@pytest.mark.slow
def test_other_settings_restart_when_asked_to(tlk, run):
    stop(signal.SIGINT, run / ".unfinished", 0, "unfreeze-and-finetune", run, *FINETUNE)
    done = tlk("unfreeze-and-finetune", run, "--epochs", 1, "--overwrite")
    assert done.code == 0 and "resuming" not in done.err
    assert not (run / ".unfinished").exists() and (run / "phases" / "2-finetune").is_dir()


def test_killed_between_its_decision_and_its_end_a_phase_is_not_trained_twice(tlk, run, monkeypatch):
    monkeypatch.setattr("tl_keras.phases.finetune._better", lambda *_: True)
    first = tlk("unfreeze-and-finetune", run)
    (run / ".unfinished").mkdir()
    (run / "phases" / "2-finetune").rename(run / ".unfinished" / "2-finetune")
    (run / ".unfinished" / "2-finetune" / "checkpoints").mkdir()
    shutil.copyfile(
        run / ".unfinished" / "2-finetune" / "config.yaml",
        run / ".unfinished" / "2-finetune" / "requested.yaml",
    )
    (run / ".unfinished" / "2-finetune" / "checkpoints" / "000000-00000001.npz").write_bytes(b"")
    again = tlk("resume", run)
    assert again.code == 0 and "epoch 1" not in again.err, again.err
    assert again.out == first.out
    assert {path.name for path in (run / "phases").iterdir()} == {"1-head", "2-finetune"}


def test_a_decided_phase_is_finished_before_another_begins(tlk, run, monkeypatch):
    monkeypatch.setattr("tl_keras.phases.finetune._better", lambda *_: True)
    assert tlk("unfreeze-and-finetune", run).code == 0
    (run / ".unfinished").mkdir()
    decided = (run / "phases" / "2-finetune").rename(run / ".unfinished" / "2-finetune")
    shutil.copyfile(decided / "config.yaml", decided / "requested.yaml")
    (run / "metrics.json").write_text("{}")
    other = tlk("unfreeze-and-finetune", run, "--seed", 7, "--overwrite")
    assert other.code == 0, other.err
    assert {path.name for path in (run / "phases").iterdir()} == {"1-head", "2-finetune", "3-finetune"}
    assert json.loads((run / "metrics.json").read_text())["phase"] == "3-finetune"


def test_stopped_before_there_is_anything_to_resume(run, tiny, tmp_path):
    phase = resumable_phase(RunFolder(run), "2-finetune", tiny, overwrite=False)
    with pytest.raises(Terminated, match=f"{run} is as it was. The same command starts again"), phase:
        raise Terminated
    started = resumable_run(tmp_path / "new", "a", tiny, "frozen", exact=True, overwrite=False)
    with pytest.raises(KeyboardInterrupt, match=r"no run was left\. The same command starts again"), started:
        raise KeyboardInterrupt
    assert not (run / ".unfinished").exists() and not (tmp_path / "new" / ".unfinished").exists()


def test_nothing_to_go_on_with(tlk, finished, tmp_path):
    done = tlk("resume", finished)
    assert done.code == 0 and done.out == f"{finished} is finished.\n"
    assert json.loads(tlk("resume", finished, "--json").out) == {"run": str(finished), "finished": True}
    missing = tlk("resume", tmp_path / "nothing")
    assert missing.code == 1 and "There is no run at" in missing.err


def test_a_second_process_is_told_who_holds_a_run(tlk, run):
    from tl_keras.runs.lock import locked

    with locked(run):
        done = tlk("unfreeze-and-finetune", run)
    assert done.code == 1 and "is being written by process" in done.err and ", since 20" in done.err
    (run.parent / ".locks" / f"{run.name}.holder").write_text("process 1 on nowhere")
    with locked(run):
        pass  # what a killed process said does not matter: the lock itself ended with it


def test_a_loss_that_fails_later_leaves_the_best_weights_and_an_error(tlk, photos, tmp_path):
    fit = ("fit", photos, "--backbone", "Tiny", "--epochs", 1, "--set", "head.dropout=0")
    assert tlk(*fit, "--name", "run", "--runs-dir", tmp_path).code == 0
    run = tmp_path / "run"
    stages = "finetune.stages=[{epochs: 1, unfreeze: none}, {epochs: 3, unfreeze: 'blocks:1'}]"
    rates = "finetune.layer_lr={head: 1e-3, block3: 1e30}"
    done = tlk(
        "unfreeze-and-finetune", run, "--set", stages, "--set", rates, "--set", "finetune.optimizer=sgd"
    )
    assert done.code == 1 and "The loss became nan in epoch 2, batch" in done.err, done.err
    assert "The weights of epoch 1, the best until then, are in" in done.err
    decision = json.loads((run / "phases" / "2-finetune" / "decision.json").read_text())
    assert np.isfinite(decision["val_after"]["loss"])
    assert all(np.isfinite(array).all() for array in weights(run))


def test_a_stage_starts_from_the_best_weights_so_far(tlk, run):
    """The second stage does harm only, so that the end is what the first one reached."""
    alone = Path(shutil.copytree(run, run.parent / "alone"))
    first = "{epochs: 1, unfreeze: none}"
    common = ("--learning-rate", "0.001", "--set", "finetune.optimizer=sgd")
    common += ("--set", "finetune.schedule.kind=constant")
    assert tlk("unfreeze-and-finetune", alone, "--set", f"finetune.stages=[{first}]", *common).code == 0
    harm = ("--set", "finetune.layer_lr={block3: 100, head: 1e-3}")
    both = f"finetune.stages=[{first}, {{epochs: 1, unfreeze: 'blocks:1'}}]"
    tlk("unfreeze-and-finetune", run, "--set", both, *common, *harm)
    ends = [run_ / "phases" / "2-finetune" / "model.keras" for run_ in (alone, run)]
    one, other = (keras.models.load_model(file, compile=False).get_weights() for file in ends)
    for a, b in zip(one, other, strict=True):  # computed from another boundary, so equal to rounding
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)
