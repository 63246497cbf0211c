"""Fixtures of the command tests."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.commands.tlk import Tlk

TINY = (
    "--backbone", "MobileNet", "--backbone-option", "alpha=0.25", "--weights", "none",
    "--image-size", "32", "--epochs", "1", "--batch-size", "16", "--set", "head.dropout=0.2",
)  # fmt: skip
OLD_RUNS = Path(__file__).resolve().parents[1] / "old_runs"


@pytest.fixture
def tlk(monkeypatch, capfd) -> Tlk:
    return Tlk(monkeypatch, capfd)


@pytest.fixture
def tiny_options() -> tuple[str, ...]:
    """Options of a `tlk fit` that takes seconds."""
    return TINY


@pytest.fixture
def run(finished, tmp_path) -> Path:
    """A finished run that a test may change."""
    return Path(shutil.copytree(finished, tmp_path / "runs" / "finished"))


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """The features of a cache of the test's own."""
    monkeypatch.setenv("TLK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "features"


@pytest.fixture
def old(tmp_path, monkeypatch) -> Path:
    """A copy of what an earlier version wrote, in use: photos/, runs/, weights/, and the cache."""
    folder = Path(shutil.copytree(OLD_RUNS, tmp_path / "old"))
    for file in folder.rglob("*"):
        if file.suffix in (".csv", ".json", ".txt", ".yaml"):
            text = file.read_text(encoding="utf-8")
            for name in ("photos", "runs", "weights"):
                text = text.replace(f"/{name.upper()}", str(folder / name))
            file.write_text(text, encoding="utf-8", newline="")
    for photo in (folder / "photos").rglob("*.*"):
        os.utime(photo, (10**9, 10**9))  # before the runs were started
    monkeypatch.setenv("TLK_CACHE", str(folder / "cache"))
    return folder
