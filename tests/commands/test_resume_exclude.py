"""`tlk resume` of a fit that leaves out images: by the run's copy of the table."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from tests.commands.look import rows_of
from tests.commands.test_resume import stop

LONG = ("--backbone", "Tiny", "--set", "head.dropout=0.1", "--features", "off", "--batch-size", 16,
        "--epochs", 12, "--set", "train.early_stopping=0")  # fmt: skip


def delete(table: Path, photos: Path) -> None:  # noqa: ARG001
    table.unlink()


def edit(table: Path, photos: Path) -> None:
    table.write_text(f"path\n{photos / 'blue' / 'blue_07.jpg'}\n{photos / 'blue' / 'blue_08.jpg'}\n")


@pytest.mark.slow
@pytest.mark.parametrize("change", [delete, edit])
def test_it_goes_on_whatever_became_of_the_users_table(tlk, photos, tmp_path, change):
    table, run = tmp_path / "issues.csv", tmp_path / "runs" / "run"
    table.write_text(f"path\n{photos / 'red' / 'red_03.jpg'}\n")
    fit = ("fit", photos, *LONG, "--exclude", table, "--name", "run", "--runs-dir", run.parent)
    said = stop(signal.SIGINT, run.parent, 1, *fit)
    assert f"resume with: tlk resume {run}" in said
    change(table, photos)
    done = tlk("resume", run)
    assert done.code == 0, done.err
    assert "resuming after an interruption" in done.err
    rows = rows_of(run / "manifest.csv")
    assert [Path(row["path"]).name for row in rows if row["problem"]] == ["red_03.jpg"]
    assert [row["path"] for row in rows_of(run / "exclude.csv")] == [str(photos / "red" / "red_03.jpg")]


@pytest.mark.slow
def test_the_same_command_goes_on_while_the_table_is_as_it_was(tlk, photos, tmp_path):
    table, run = tmp_path / "issues.csv", tmp_path / "runs" / "run"
    table.write_text(f"path\n{photos / 'red' / 'red_03.jpg'}\n")
    fit = ("fit", photos, *LONG, "--exclude", table, "--name", "run", "--runs-dir", run.parent)
    stop(signal.SIGINT, run.parent, 1, *fit)
    done = tlk(*fit)
    assert done.code == 0 and "resuming after an interruption" in done.err, done.err
