"""Fixtures of the command tests."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.commands.tlk import Tlk

TINY = (
    "--backbone", "MobileNet", "--backbone-option", "alpha=0.25", "--weights", "none",
    "--image-size", "32", "--epochs", "1", "--batch-size", "16", "--set", "head.dropout=0.2",
)  # fmt: skip


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
