"""The manifest of `fit --transfer full` above a frozen part: all images, and why some are left out."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.commands.look import rows_of
from tests.images import class_folders

NETWORK = ("--backbone", "MobileNet", "--backbone-option", "alpha=0.25", "--weights", "none",
           "--image-size", "32", "--batch-size", "16", "--set", "head.dropout=0.2",
           "--set", "data.max_bad=0.2", "--set", "data.limit_per_class=8")  # fmt: skip
FULL = ("--transfer", "full", "--set", "finetune.unfreeze=last:0.3", "--set", "finetune.epochs=1")


@pytest.fixture
def data(tmp_path) -> Path:
    """Two classes, with a broken image, an exact copy, and more images than are wanted."""
    folder = class_folders(tmp_path / "data", classes=2, per_class=16)
    (folder / "red" / "broken.jpg").write_text("no image")
    shutil.copyfile(folder / "red" / "red_00.jpg", folder / "red" / "copy.jpg")
    return folder


def test_it_is_that_of_a_frozen_backbone(tlk, data, tmp_path):
    runs = tmp_path / "runs"
    frozen = tlk("fit", data, *NETWORK, "--epochs", 1, "--name", "frozen", "--runs-dir", runs)
    assert frozen.code == 0, frozen.err
    full = tlk("fit", data, *NETWORK, *FULL, "--name", "full", "--runs-dir", runs)
    assert full.code == 0, full.err
    assert "that part is computed once per image" in full.err
    expected, found = (rows_of(runs / name / "manifest.csv") for name in ("frozen", "full"))
    assert any(row["problem"] and row["path"].endswith("broken.jpg") for row in expected)
    assert len(expected) == 34 and len({row["path"] for row in expected}) == 34
    assert [row["path"] for row in found] == [row["path"] for row in expected]
    assert found == expected


def test_its_settings_repeat_it(tlk, data, tmp_path):
    assert tlk("fit", data, *NETWORK, *FULL, "--name", "run", "--runs-dir", tmp_path / "runs").code == 0
    manifest = tmp_path / "runs" / "run" / "manifest.csv"
    before = manifest.read_bytes()
    assert tlk("evaluate", tmp_path / "runs" / "run").code == 0
    again = tlk("fit", "--config", tmp_path / "runs" / "run" / "config.yaml", "--name", "again", "--runs-dir",
                tmp_path / "runs")  # fmt: skip
    assert again.code == 0, again.err
    assert (tmp_path / "runs" / "again" / "manifest.csv").read_bytes() == before
    assert any(row["problem"] for row in rows_of(manifest))
