"""A cross-validation that was interrupted is finished by the same command."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.commands.test_resume import stop

LONG = ("--backbone", "Tiny", "--set", "head.dropout=0.1", "--features", "off", "--batch-size", 16,
        "--epochs", 10, "--set", "train.early_stopping=0", "--cross-validate", 3)  # fmt: skip


def interrupted(photos: Path, runs: Path) -> tuple[object, ...]:
    """Stop a cross-validation in its second fold, and return the command."""
    command = ("fit", photos, *LONG, "--name", "cv", "--runs-dir", runs)
    said = stop(signal.SIGINT, runs / ".unfinished" / "cv-2-of-3", 1, *command)
    assert "Interrupted in fold 2 of 3" in said, said
    return command


def written(run: Path) -> dict[str, int]:
    return {file.name: file.stat().st_mtime_ns for file in run.rglob("*") if file.is_file()}


def check(done, runs: Path, before: dict[str, int]) -> None:
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert [Path(fold["run"]).name for fold in found["folds"]] == ["cv-1-of-3", "cv-2-of-3", "cv-3-of-3"]
    assert found["summary"]["folds"] == 3 and found["summary"]["images"] == 60
    assert written(runs / "cv-1-of-3") == before, "a fold that was done is not trained again"
    assert not (runs / ".unfinished").exists()


@pytest.mark.slow
def test_the_same_command_finishes_it(tlk, photos, tmp_path):
    command = interrupted(photos, tmp_path)
    before = written(tmp_path / "cv-1-of-3")
    done = tlk(*command, "--json")
    check(done, tmp_path, before)
    assert done.err.count("resuming after an interruption") == 1


@pytest.mark.slow
def test_so_it_does_after_a_resume_of_the_fold(tlk, photos, tmp_path):
    command = interrupted(photos, tmp_path)
    before = written(tmp_path / "cv-1-of-3")
    assert tlk("resume", tmp_path / "cv-2-of-3").code == 0
    second = written(tmp_path / "cv-2-of-3")
    done = tlk(*command, "--json")
    check(done, tmp_path, before)
    assert written(tmp_path / "cv-2-of-3") == second


@pytest.mark.slow
def test_folds_of_other_settings_are_not_taken_for_done(tlk, photos, tmp_path):
    command = interrupted(photos, tmp_path)
    before = written(tmp_path / "cv-1-of-3")
    done = tlk(*command, "--seed", 5)
    assert done.code == 1 and "cv-1-of-3" in done.err, done.err
    assert written(tmp_path / "cv-1-of-3") == before
