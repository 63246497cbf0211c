"""Every image is opened once; what is known by its content is not decoded again."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.images import class_folders, spoiled
from tl_keras.config.schema import DataConfig, RuntimeConfig
from tl_keras.data.example import Example
from tl_keras.data.sources.read import read_source
from tl_keras.errors import SkipReason
from tl_keras.inspection.examine import examine


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TLK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def examples_in(folder: Path) -> tuple[Example, ...]:
    return read_source(DataConfig(source=str(folder))).examples


def test_it_gives_hashes_problems_and_facts_in_order(tmp_path: Path) -> None:
    data = class_folders(tmp_path / "data")
    broken = spoiled(data / "red")
    found = examine(examples_in(data), 1e8, RuntimeConfig())
    assert [e.path for e in found.examples] == [e.path for e in examples_in(data)]
    assert {Path(e.path).name for e in found.examples if not e.is_used} == set(broken)
    for example, facts in zip(found.examples, found.facts, strict=True):
        assert (facts["width"], facts["height"]) == ((0, 0) if not example.is_used else (40, 32))


def test_a_second_time_nothing_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    examples = examples_in(class_folders(tmp_path / "data"))
    first = examine(examples, 1e8, RuntimeConfig())
    monkeypatch.setattr("tl_keras.data.images.facts.facts_of", None)
    again = examine(examples, 1e8, RuntimeConfig())
    assert again.examples == first.examples and np.array_equal(again.facts, first.facts)


def test_damage_to_what_is_stored_is_mended(tmp_path: Path, cache: Path, capsys) -> None:
    examples = examples_in(class_folders(tmp_path / "data"))
    first = examine(examples, 1e8, RuntimeConfig())
    (file,) = cache.rglob("*.npy")
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    again = examine(examples, 1e8, RuntimeConfig())
    assert np.array_equal(again.facts, first.facts) and "damaged" in capsys.readouterr().err


def test_a_disk_that_refuses_is_no_reason_to_stop(tmp_path: Path, cache: Path) -> None:
    cache.write_text("a file where the folder should be")
    examples = examples_in(class_folders(tmp_path / "data"))
    assert (examine(examples, 1e8, RuntimeConfig()).facts["width"] == 40).all()


def test_what_the_user_excludes_is_not_opened(tmp_path: Path) -> None:
    gone = Example(str(tmp_path / "gone.jpg"), "a").skip(SkipReason.EXCLUDED, "x.csv")
    assert examine([gone], 1e8, RuntimeConfig()).examples == (gone,)


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read every file")
def test_files_without_permission(tmp_path: Path) -> None:
    data = class_folders(tmp_path / "data")
    (data / "red" / "red_00.jpg").chmod(0)
    problems = [e.problem for e in examine(examples_in(data), 1e8, RuntimeConfig()).examples if not e.is_used]
    assert problems == ["permission denied"]


def test_links_count_as_what_they_lead_to(tmp_path: Path) -> None:
    data = class_folders(tmp_path / "data", per_class=2)
    shutil.copytree(data, tmp_path / "links", copy_function=lambda a, b: os.symlink(a, b))
    one, other = (examine(examples_in(folder), 1e8, RuntimeConfig()) for folder in (data, tmp_path / "links"))
    assert [e.sha256 for e in one.examples] == [e.sha256 for e in other.examples]
