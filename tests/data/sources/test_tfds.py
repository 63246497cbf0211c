"""TensorFlow Datasets are unpacked once."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data.sources.reading import read, refused
from tests.images import encoded, noisy_image


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> str:
    from tests.data import tiny_datasets  # imports TensorFlow

    folder = str(tmp_path_factory.mktemp("tfds"))
    for builder in (tiny_datasets.TlkTiny, tiny_datasets.TlkOneSplit, tiny_datasets.TlkUnlabelled):
        builder(data_dir=folder).download_and_prepare()
    return folder


def test_the_files_come_out_untouched(data_dir: str, cache: Path) -> None:
    found = read("tfds:tlk_tiny", tfds_dir=data_dir)
    assert found.classes == ("sea urchin", "a/b", "猫")
    assert Counter((example.split, example.label) for example in found.examples) == {
        (split, label): count
        for split, count in (("train", 4), ("val", 2), ("test", 1))
        for label in found.classes
    }
    stored = {Path(example.path).read_bytes() for example in found.examples}
    assert stored == {encoded(noisy_image(seed, (24, 20))) for seed in range(21)}
    assert {Path(example.path).suffix for example in found.examples} == {".jpg"}
    assert not list(cache.rglob(".*"))


def test_it_is_unpacked_once(data_dir: str) -> None:
    found = read("tfds:tlk_tiny:1.0.0", tfds_dir=data_dir)
    times = [Path(example.path).stat().st_mtime_ns for example in found.examples]
    assert read("tfds:tlk_tiny", tfds_dir=data_dir) == found
    assert [Path(example.path).stat().st_mtime_ns for example in found.examples] == times


def test_nothing_but_our_own_progress_is_printed(data_dir: str, capfd: pytest.CaptureFixture[str]) -> None:
    read("tfds:tlk_tiny", tfds_dir=data_dir)
    printed = capfd.readouterr()
    assert printed.out == ""
    assert all(line.startswith("unpacking") for line in printed.err.splitlines())


def test_chosen_parts_of_splits(data_dir: str) -> None:
    parts = {"train": "train[:50%]", "val": "train[50%:]"}
    found = read("tfds:tlk_tiny", tfds_dir=data_dir, tfds_splits=parts)
    assert Counter(example.split for example in found.examples) == {"train": 6, "val": 6}
    assert len({Path(example.path).read_bytes() for example in found.examples}) == 12


def test_pixels_stay_as_they_were(data_dir: str) -> None:
    example = read("tfds:tlk_tiny", tfds_dir=data_dir).examples[0]
    assert np.asarray(Image.open(example.path)).shape == (20, 24, 3)


def test_unknown_names(data_dir: str) -> None:
    assert "knows no 'tlk_tinny'" in refused("tfds:tlk_tinny", tfds_dir=data_dir)
    assert "tlk_tiny" in refused("tfds:tlk_tiny:9.9.9", tfds_dir=data_dir)
    assert "'weekend'" in refused("tfds:tlk_tiny", tfds_dir=data_dir, tfds_splits={"train": "weekend"})


def test_without_a_class_label(data_dir: str) -> None:
    assert "class labels none among" in refused("tfds:tlk_unlabelled", tfds_dir=data_dir)


def test_without_train(data_dir: str) -> None:
    assert "no split `train`, only 'whole'" in refused("tfds:tlk_one_split", tfds_dir=data_dir)
    found = read("tfds:tlk_one_split", tfds_dir=data_dir, tfds_splits={"train": "whole"})
    assert len(found.examples) == 12


@pytest.mark.usefixtures("data_dir")
def test_what_cannot_be_prepared(tmp_path: Path) -> None:
    message = refused("tfds:tlk_offline", tfds_dir=str(tmp_path))
    assert "no network here" in message
    assert "data.tfds_dir" in message


def test_a_cache_folder_that_was_left_unfinished_is_made_again(data_dir: str, cache: Path) -> None:
    found = read("tfds:tlk_tiny", tfds_dir=data_dir)
    shutil.rmtree(next((cache / "tfds").iterdir()) / "train")
    assert read("tfds:tlk_tiny", tfds_dir=data_dir) == found
