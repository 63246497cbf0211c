"""Whatever a file holds, it is a picture or has a problem, and nothing crashes."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.images import class_folders
from tests.inspection.damage import damaged, whole_files
from tl_keras.config.loading import load_config
from tl_keras.config.schema import Config, DataConfig
from tl_keras.core.geometry import Geometry
from tl_keras.data.images.decode import decode
from tl_keras.data.images.facts import facts_of
from tl_keras.data.sources.read import read_source
from tl_keras.errors import BadImage
from tl_keras.inspection.inspect_images import inspect_images
from tl_keras.workflows.inspect import inspect

SINGLE_SHARD = whole_files()
LIMIT = 1e6
GEOMETRIES = (Geometry(32, 32, "crop"), Geometry(8, 8, "squash"), Geometry(64, 24, "pad"))


def verdict(data: bytes) -> str:
    """Return why an image cannot be used, or nothing; any other exception is a defect."""
    try:
        facts = facts_of(data, LIMIT)
    except BadImage as error:
        assert str(error) and "memory" not in str(error)
        return str(error)
    assert 0 < int(facts["width"]) * int(facts["height"]) <= LIMIT
    return ""


@pytest.mark.parametrize("name", sorted(SINGLE_SHARD))
def test_whole_files_are_readable(name: str) -> None:
    assert verdict(SINGLE_SHARD[name]) == ""


@given(st.binary(max_size=300), st.sampled_from([b"", *(data[:40] for data in SINGLE_SHARD.values())]))
@settings(max_examples=300)
def test_random_bytes(noise: bytes, start: bytes) -> None:
    verdict(start + noise)


@pytest.mark.parametrize("name", sorted(SINGLE_SHARD))
@given(st.integers(0, 2**32 - 1))
@settings(max_examples=60)
def test_damage_is_found_by_all_or_by_none(name: str, seed: int) -> None:
    data = damaged(SINGLE_SHARD[name], np.random.default_rng(seed))
    reason = verdict(data)
    assume(not reason.startswith("more than"))
    for geometry in GEOMETRIES:
        if reason:
            with pytest.raises(BadImage):
                decode(data, geometry)
        else:
            assert decode(data, geometry).shape == (geometry.height, geometry.width, 3)


def test_a_folder_of_damaged_files_is_inspected_and_prepared_alike(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("TLK_CACHE", str(tmp_path / "cache"))
    data = class_folders(tmp_path / "data")
    rng = np.random.default_rng(0)
    for name, whole in SINGLE_SHARD.items():
        for number in range(6):
            (data / "red" / f"{number}_{name}").write_bytes(damaged(whole, rng))
    done = inspect(data, load_config(overrides={"data.image_size": 32}), issues=tmp_path / "issues.csv")
    found = done.inspection
    broken = {finding.path for finding in found.findings if finding.kind.severity == "error"}
    assert found.images == 16 + 6 * len(SINGLE_SHARD) and found.images - found.readable == len(broken) > 20
    with (tmp_path / "issues.csv").open(newline="", encoding="utf-8-sig") as file:
        assert len(list(csv.DictReader(file))) == len(found.findings)
    checked = inspect_images(read_source(DataConfig(source=str(data))).examples, Config())
    assert {example.path for example in checked if not example.is_used} == broken


names = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=60).filter(
    lambda name: name not in (".", "..") and len(name.encode()) < 200
)


@given(names, names)
@settings(max_examples=25)
def test_any_name_of_a_class_and_of_a_file(tmp_path_factory, label: str, name: str) -> None:
    root = tmp_path_factory.mktemp("names")
    data = class_folders(root / "data", per_class=1)
    (data / label).mkdir(exist_ok=True)
    (data / label / f"{name}.jpg").write_bytes(SINGLE_SHARD["baseline.jpg"])
    found = inspect(data, load_config(overrides={"data.image_size": 8}), issues=root / "i.csv").inspection
    if not label.startswith(".") and not name.startswith(".") and label not in ("red", "green"):
        assert found.images == 3 or found.severities["error"] or "unnameable_files" in found.by_kind()


def test_a_path_as_long_as_they_get(tmp_path: Path) -> None:
    data = class_folders(tmp_path / "data", per_class=3)
    (data / "red" / f"{'x' * 251}.jpg").write_bytes(SINGLE_SHARD["baseline.jpg"])
    found = inspect(data, load_config(overrides={"data.image_size": 8}), issues=tmp_path / "i.csv").inspection
    assert found.images == found.readable == 7
