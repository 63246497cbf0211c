"""Of stored features a command reads what it needs; what it reads, it checks."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.commands.look import chunks
from tests.images import class_folders

NETWORK = ("--backbone", "Tiny", "--epochs", "1", "--set", "head.dropout=0.1")


@pytest.fixture
def two(once, tlk, cache, photos, monkeypatch, tmp_path) -> tuple[Path, Path, Path, Path]:
    """Two runs of one network on different photos: each has a file of the same store to itself."""

    def fit(folder: Path) -> None:
        monkeypatch.setenv("TLK_CACHE", str(folder / "cache"))
        others = class_folders(folder / "others", classes=2, per_class=20, seed=50_000)
        for name, data in (("mine", photos), ("other", others)):
            assert tlk("fit", data, *NETWORK, "--name", name, "--runs-dir", folder).code == 0
        monkeypatch.setenv("TLK_CACHE", str(cache.parent))

    made = once("two", fit)
    shutil.copytree(made / "cache", cache.parent)
    files = chunks(cache)
    rows = {len(np.load(file)): file for file in files}
    assert len(files) == 2 and files[0].parent == files[1].parent
    mine, other = (Path(shutil.copytree(made / name, tmp_path / name)) for name in ("mine", "other"))
    return mine, other, rows[60], rows[40]


def damage(file: Path) -> bytes:
    """Change one bit in a row of features, and return the file as it was."""
    whole = file.read_bytes()
    file.write_bytes(whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:])
    return whole


def predicted(done) -> dict[str, list[dict]]:
    return {answer["path"]: answer["classes"] for answer in map(json.loads, done.out.splitlines())}


def test_what_a_prediction_does_not_need_it_does_not_read(tlk, two, photos):
    mine, _, _, of_others = two
    before = predicted(tlk("predict", mine, photos, "--json"))
    damage(of_others)
    damaged = of_others.read_bytes()
    done = tlk("predict", mine, photos, "--json")
    assert done.code == 0 and done.err == ""
    assert predicted(done) == before
    assert of_others.read_bytes() == damaged, "it was not looked at"


def test_nor_does_an_evaluation(tlk, two):
    mine, _, _, of_others = two
    damage(of_others)
    done = tlk("evaluate", mine)
    assert done.code == 0 and "damaged" not in done.err and of_others.is_file()


def test_damage_is_noticed_by_who_needs_the_rows_and_mended(tlk, two):
    _, other, _, of_others = two
    before = json.loads(tlk("evaluate", other, "--split", "train", "--json").out)["evaluation"]
    whole = damage(of_others)
    done = tlk("evaluate", other, "--split", "train", "--json")
    assert done.code == 0 and "damaged" in done.err, done.err
    assert json.loads(done.out)["evaluation"] == before
    assert not of_others.is_file() or of_others.read_bytes() == whole


def test_a_prediction_from_damaged_rows_is_right_all_the_same(tlk, two, photos):
    mine, _, of_mine, _ = two
    before = predicted(tlk("predict", mine, photos, "--json"))
    damage(of_mine)
    done = tlk("predict", mine, photos, "--json")
    assert done.code == 0 and "damaged" in done.err, done.err
    after = predicted(done)
    assert after.keys() == before.keys()
    for path, classes in before.items():
        found = {one["label"]: one["score"] for one in after[path]}
        assert found == pytest.approx({one["label"]: one["score"] for one in classes}, abs=1e-4)
