"""A budget, kept by removing what was used least recently."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from tl_keras.features.budget import clear, evict_until_fits, lock_of, stored_features
from tl_keras.features.store import open_store


def put(root: Path, name: str, rows: int, used: float) -> Path:
    store = open_store(
        root, {"backbone": name, "shape": [100], "dtype": "float32"}, (100,), np.dtype("float32")
    )
    hashes = [f"{number:064x}" for number in range(rows)]
    store.add(hashes, np.zeros((rows, 100), np.float32))
    os.utime(store.folder, (used, used))
    return store.folder


@pytest.fixture
def three(tmp_path) -> list[Path]:
    """Three stores of about 47 kB each, the last one used last."""
    return [put(tmp_path, name, 100, used) for name, used in (("a", 100), ("b", 200), ("c", 300))]


@pytest.mark.usefixtures("three")
def test_they_are_listed_newest_first_with_size_and_rows(tmp_path):
    found = stored_features(tmp_path)
    assert [store.about["backbone"] for store in found] == ["c", "b", "a"]
    assert all(store.rows == 100 and store.megabytes == pytest.approx(0.0466, abs=0.001) for store in found)
    assert stored_features(tmp_path / "nothing") == []


def test_the_least_recently_used_go_first_and_no_more_than_needed(three, tmp_path):
    assert evict_until_fits(tmp_path, 40_000, 140_000, keep=[])
    assert [folder.exists() for folder in three] == [False, True, True]


def test_what_is_in_use_stays(three, tmp_path):
    assert evict_until_fits(tmp_path, 40_000, 140_000, keep=[three[0]])
    assert [folder.exists() for folder in three] == [True, False, True]


def test_what_another_process_fills_stays(three, tmp_path):
    with FileLock(lock_of(three[0], "images").lock_file):
        assert evict_until_fits(tmp_path, 40_000, 140_000, keep=[])
    assert [folder.exists() for folder in three] == [True, False, True]


def test_strange_folders_are_listed_and_cleared(tmp_path):
    (tmp_path / "abc").mkdir()
    (tmp_path / "abc" / "about.json").write_text("[1, 2]")
    assert stored_features(tmp_path)[0].about == {}
    clear(tmp_path)
    assert not (tmp_path / "abc").exists()


def test_what_never_fits_removes_nothing(three, tmp_path):
    assert not evict_until_fits(tmp_path, 200_000, 140_000, keep=[])
    assert all(folder.exists() for folder in three)


@pytest.mark.usefixtures("three")
def test_a_disk_that_is_too_small(tmp_path):
    assert not evict_until_fits(tmp_path, 2**60, 2**61, keep=[])
    assert len(stored_features(tmp_path)) == 3, "what would not have been enough was not removed"


@pytest.mark.usefixtures("three")
def test_clearing_removes_all(tmp_path):
    assert clear(tmp_path) == pytest.approx(0.140, abs=0.002)
    assert stored_features(tmp_path) == []
