"""Folders of class folders become labeled images, or a clear error."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from tests.data.sources.reading import names, read, refused
from tests.images import class_folders, split_folders
from tl_keras.config.schema import DataConfig
from tl_keras.core.geometry import Geometry
from tl_keras.data.decode_examples import check
from tl_keras.data.listing import image_files
from tl_keras.data.sources import folder
from tl_keras.data.sources.read import read_source
from tl_keras.errors import ConfigError, DataError


def test_classes_are_the_folders_in_plain_order(tmp_path: Path) -> None:
    found = read(class_folders(tmp_path, classes=3, per_class=2))
    assert found.classes == ("blue", "green", "red")
    assert names(found)[:3] == [
        ("blue_00.jpg", "blue", ""),
        ("blue_01.jpg", "blue", ""),
        ("green_00.jpg", "green", ""),
    ]
    assert all(Path(example.path).is_absolute() for example in found.examples)
    assert found.remarks == ()


def test_relative_paths_home_spaces_and_chinese(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class_folders(tmp_path / "我的 照片")
    (tmp_path / "我的 照片" / "red").rename(tmp_path / "我的 照片" / "红 色")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    expected = read(tmp_path / "我的 照片")
    assert expected.classes == ("green", "红 色")
    assert read("我的 照片") == read("~/我的 照片") == expected


@pytest.mark.parametrize("split_names", ["train val test", "Training VALIDATION Testing", "TRAIN valid test"])
def test_split_folders(split_names: str, tmp_path: Path) -> None:
    found = read(split_folders(tmp_path, dict(zip(split_names.split(), (3, 2, 1), strict=True))))
    assert Counter(example.split for example in found.examples) == {"train": 6, "val": 4, "test": 2}
    assert found.classes == ("green", "red")


def test_folders_beside_splits_are_noted(tmp_path: Path) -> None:
    split_folders(tmp_path, {"train": 2, "val": 2})
    (tmp_path / "annotations").mkdir()
    assert read(tmp_path).remarks == ("folders beside train/val/test ignored: 'annotations'",)


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    class_folders(tmp_path)
    (tmp_path / "red").rename(tmp_path / "train")
    found = read(tmp_path)
    assert found.classes == ("green", "train")
    assert {example.split for example in found.examples} == {""}


def test_images_in_folders_below_a_class_count(tmp_path: Path) -> None:
    class_folders(tmp_path)
    deep = tmp_path / "red" / "2024" / "may"
    deep.mkdir(parents=True)
    (tmp_path / "red" / "red_00.jpg").rename(deep / "moved.JPG")
    assert ("moved.JPG", "red", "") in names(read(tmp_path))


def test_hidden_things_are_passed_over_and_others_counted(tmp_path: Path) -> None:
    class_folders(tmp_path)
    (tmp_path / ".git").mkdir()
    (tmp_path / "__MACOSX" / "red").mkdir(parents=True)
    for name in ("red/.DS_Store", "red/._red_00.jpg", "__MACOSX/red/x.jpg"):
        (tmp_path / name).write_bytes(b"x")
    for name in ("red/notes.txt", "green/list.TXT", "README"):
        (tmp_path / name).write_bytes(b"x")
    found = read(tmp_path)
    assert len(found.examples) == 16
    assert found.remarks == ("3 other files ignored (.txt, README)",)


def test_images_beside_class_folders_are_noted(tmp_path: Path) -> None:
    class_folders(tmp_path)
    (tmp_path / "loose.jpg").write_bytes(b"x")
    assert read(tmp_path).remarks == (f"1 image ignored in {tmp_path.name}, beside the class folders",)


def test_formats_that_cannot_be_read_are_not_lost(tmp_path: Path) -> None:
    class_folders(tmp_path)
    for name in ("a.TIFF", "b.heic", "c.svg", "d.ico", "e.avif"):
        (tmp_path / "red" / name).write_bytes(b"x")
    checked = check(read(tmp_path).examples, Geometry(8, 8))
    assert sum(not example.is_used for example in checked) == 5


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_links(tmp_path: Path) -> None:
    class_folders(tmp_path / "real", per_class=2)
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked" / "a").symlink_to(tmp_path / "real" / "red")
    (tmp_path / "linked" / "b").mkdir()
    (tmp_path / "linked" / "b" / "one.jpg").symlink_to(tmp_path / "real" / "green" / "green_00.jpg")
    (tmp_path / "linked" / "b" / "loop").symlink_to(tmp_path / "linked")
    found = names(read(tmp_path / "linked"))
    assert found == [("red_00.jpg", "a", ""), ("red_01.jpg", "a", ""), ("one.jpg", "b", "")]


@pytest.mark.skipif(os.name == "nt", reason="file names are Unicode there")
def test_names_that_are_no_text_are_noted(tmp_path: Path) -> None:
    class_folders(tmp_path)
    try:
        (Path(os.fsdecode(os.fsencode(tmp_path) + b"/red/\xff.jpg"))).write_bytes(b"x")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    assert read(tmp_path).remarks == ("1 file ignored: the name is not valid UTF-8",)


def test_image_files_lists_a_folder_without_classes(tmp_path: Path) -> None:
    class_folders(tmp_path / "photos", per_class=1)
    (tmp_path / "photos" / "notes.txt").write_bytes(b"x")
    found = [path.relative_to(tmp_path).as_posix() for path in image_files(tmp_path)]
    assert found == ["photos/green/green_00.jpg", "photos/red/red_00.jpg"]


def test_not_found(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    assert "Did you mean 'photos'?" in refused(tmp_path / "fotos")
    assert "Not found" in refused(tmp_path / "no" / "where")


def test_a_file(tmp_path: Path) -> None:
    (tmp_path / "cat.jpg").write_bytes(b"x")
    assert "Expected a folder" in refused(tmp_path / "cat.jpg")


def test_images_without_class_folders(tmp_path: Path) -> None:
    for index in range(40):
        (tmp_path / f"{index}.jpg").write_bytes(b"x")
    assert "found 40 images directly in it" in refused(tmp_path)


def test_one_class_of_several_proposes_the_folder_of_all(tmp_path: Path) -> None:
    photos = class_folders(tmp_path / "photos", classes=3)
    message = refused(photos / "red")
    assert "Put each class's images into a folder of its own" in message
    assert f"one of the classes 'blue', 'green', 'red', name the folder of all: {photos}" in message


def test_folders_beside_that_cannot_be_read_are_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = class_folders(tmp_path / "photos", classes=3)
    read = folder.entries_of

    def entries_of(path: Path) -> object:
        if path.name == "blue":
            raise DataError(f"Cannot read the folder {path}")
        return read(path)

    monkeypatch.setattr(folder, "entries_of", entries_of)
    assert "one of the classes 'green', 'red', name" in refused(photos / "red")


def test_splits_without_classes_do_not_propose_what_was_named(tmp_path: Path) -> None:
    for split in ("train", "val"):
        (tmp_path / split).mkdir()
        (tmp_path / split / "1.jpg").write_bytes(b"x")
    for named in (tmp_path, tmp_path / "train"):
        message = refused(named)
        assert "found 1 image directly in it" in message and "folder of all" not in message


def test_an_empty_folder(tmp_path: Path) -> None:
    assert "found neither folders nor images" in refused(tmp_path)


def test_one_class(tmp_path: Path) -> None:
    assert "at least two classes" in refused(class_folders(tmp_path, classes=1))


def test_an_empty_class(tmp_path: Path) -> None:
    class_folders(tmp_path)
    (tmp_path / "empty").mkdir()
    assert f"No images in the class folder {tmp_path / 'empty'}" in refused(tmp_path)


def test_a_class_that_train_lacks(tmp_path: Path) -> None:
    split_folders(tmp_path, {"train": 2, "val": 2})
    (tmp_path / "val" / "red").rename(tmp_path / "val" / "Red")
    message = refused(tmp_path)
    assert "val has classes that train lacks: 'Red'" in message
    assert "'green', 'red'" in message


def test_splits_without_train(tmp_path: Path) -> None:
    assert "none for train" in refused(split_folders(tmp_path, {"val": 2, "test": 2}))


def test_two_folders_for_one_split(tmp_path: Path) -> None:
    assert "both mean val" in refused(split_folders(tmp_path, {"train": 1, "val": 1, "validation": 1}))


def test_a_split_folder_without_classes(tmp_path: Path) -> None:
    split_folders(tmp_path, {"train": 2})
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "1.jpg").write_bytes(b"x")
    assert "found 1 image directly in it" in refused(tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="no such names on Windows")
def test_a_class_name_with_the_separator(tmp_path: Path) -> None:
    class_folders(tmp_path)
    (tmp_path / "red").rename(tmp_path / "red|blue")
    assert "'red|blue' names several classes" in refused(tmp_path)


def test_multilabel_needs_a_manifest(tmp_path: Path) -> None:
    assert "multilabel needs a manifest" in refused(class_folders(tmp_path), task="multilabel")


def test_no_source() -> None:
    with pytest.raises(ConfigError, match="Name a folder of class folders"):
        read_source(DataConfig())
