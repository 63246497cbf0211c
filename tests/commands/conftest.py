"""Fixtures of the tests that look at a command from outside."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import run, tiny_options, tlk

__all__ = ["run", "tiny_options", "tlk"]

OLD_RUNS = Path(__file__).resolve().parents[1] / "old_runs"


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
        os.utime(photo, (10**9, 10**9))  # before the runs were begun
    monkeypatch.setenv("TLK_CACHE", str(folder / "cache"))
    return folder
