"""Folders, manifests, TensorFlow Datasets and the digits become labelled images, or a clear error."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.images import class_folders, encoded, noisy_image, split_folders
from tl_keras.config.schema import DataConfig
from tl_keras.core.geometry import Geometry
from tl_keras.data.checking import check
from tl_keras.data.listing import image_files
from tl_keras.data.sources.read import read_source
from tl_keras.data.sources.source import ImageSource
from tl_keras.errors import ConfigError, DataError


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("TLK_CACHE", str(folder))
    return folder


def read(source: Path | str, **settings: Any) -> ImageSource:
    return read_source(DataConfig(source=str(source), **settings))


def refused(source: Path | str, **settings: Any) -> str:
    with pytest.raises((DataError, ConfigError)) as caught:
        read(source, **settings)
    message = str(caught.value)
    assert len(message.splitlines()) <= 4
    return message


def names(source: ImageSource) -> list[tuple[str, str, str]]:
    return [(Path(example.path).name, example.label, example.split) for example in source.examples]


class TestFolder:
    def test_classes_are_the_folders_in_plain_order(self, tmp_path: Path) -> None:
        found = read(class_folders(tmp_path, classes=3, per_class=2))
        assert found.classes == ("blue", "green", "red")
        assert names(found)[:3] == [
            ("blue_00.jpg", "blue", ""),
            ("blue_01.jpg", "blue", ""),
            ("green_00.jpg", "green", ""),
        ]
        assert all(Path(example.path).is_absolute() for example in found.examples)
        assert found.remarks == ()

    def test_relative_paths_home_spaces_and_chinese(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class_folders(tmp_path / "我的 照片")
        (tmp_path / "我的 照片" / "red").rename(tmp_path / "我的 照片" / "红 色")
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("HOME", str(tmp_path))
        expected = read(tmp_path / "我的 照片")
        assert expected.classes == ("green", "红 色")
        assert read("我的 照片") == read("~/我的 照片") == expected

    @pytest.mark.parametrize(
        "split_names", ["train val test", "Training VALIDATION Testing", "TRAIN valid test"]
    )
    def test_split_folders(self, split_names: str, tmp_path: Path) -> None:
        found = read(split_folders(tmp_path, dict(zip(split_names.split(), (3, 2, 1), strict=True))))
        assert Counter(example.split for example in found.examples) == {"train": 6, "val": 4, "test": 2}
        assert found.classes == ("green", "red")

    def test_folders_beside_splits_are_noted(self, tmp_path: Path) -> None:
        split_folders(tmp_path, {"train": 2, "val": 2})
        (tmp_path / "annotations").mkdir()
        assert read(tmp_path).remarks == ("folders beside train/val/test ignored: 'annotations'",)

    def test_a_class_may_be_called_train(self, tmp_path: Path) -> None:
        class_folders(tmp_path)
        (tmp_path / "red").rename(tmp_path / "train")
        found = read(tmp_path)
        assert found.classes == ("green", "train")
        assert {example.split for example in found.examples} == {""}

    def test_images_in_folders_below_a_class_count(self, tmp_path: Path) -> None:
        class_folders(tmp_path)
        deep = tmp_path / "red" / "2024" / "may"
        deep.mkdir(parents=True)
        (tmp_path / "red" / "red_00.jpg").rename(deep / "moved.JPG")
        assert ("moved.JPG", "red", "") in names(read(tmp_path))

    def test_hidden_things_are_passed_over_and_others_counted(self, tmp_path: Path) -> None:
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

    def test_images_beside_class_folders_are_noted(self, tmp_path: Path) -> None:
        class_folders(tmp_path)
        (tmp_path / "loose.jpg").write_bytes(b"x")
        assert read(tmp_path).remarks == (f"1 image ignored in {tmp_path.name}, beside the class folders",)

    def test_formats_that_cannot_be_read_are_not_lost(self, tmp_path: Path) -> None:
        class_folders(tmp_path)
        for name in ("a.TIFF", "b.heic", "c.svg", "d.ico", "e.avif"):
            (tmp_path / "red" / name).write_bytes(b"x")
        checked = check(read(tmp_path).examples, Geometry(8, 8))
        assert sum(not example.is_used for example in checked) == 5

    @pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
    def test_links(self, tmp_path: Path) -> None:
        class_folders(tmp_path / "real", per_class=2)
        (tmp_path / "linked").mkdir()
        (tmp_path / "linked" / "a").symlink_to(tmp_path / "real" / "red")
        (tmp_path / "linked" / "b").mkdir()
        (tmp_path / "linked" / "b" / "one.jpg").symlink_to(tmp_path / "real" / "green" / "green_00.jpg")
        (tmp_path / "linked" / "b" / "loop").symlink_to(tmp_path / "linked")
        found = names(read(tmp_path / "linked"))
        assert found == [("red_00.jpg", "a", ""), ("red_01.jpg", "a", ""), ("one.jpg", "b", "")]

    @pytest.mark.skipif(os.name == "nt", reason="file names are Unicode there")
    def test_names_that_are_no_text_are_noted(self, tmp_path: Path) -> None:
        class_folders(tmp_path)
        try:
            (Path(os.fsdecode(os.fsencode(tmp_path) + b"/red/\xff.jpg"))).write_bytes(b"x")
        except OSError:
            pytest.skip("this file system takes UTF-8 names only")
        assert read(tmp_path).remarks == ("1 file ignored: the name is not valid UTF-8",)

    def test_image_files_lists_a_folder_without_classes(self, tmp_path: Path) -> None:
        class_folders(tmp_path / "photos", per_class=1)
        (tmp_path / "photos" / "notes.txt").write_bytes(b"x")
        found = [path.relative_to(tmp_path).as_posix() for path in image_files(tmp_path)]
        assert found == ["photos/green/green_00.jpg", "photos/red/red_00.jpg"]

    def test_not_found(self, tmp_path: Path) -> None:
        (tmp_path / "photos").mkdir()
        assert "Did you mean 'photos'?" in refused(tmp_path / "fotos")
        assert "Not found" in refused(tmp_path / "no" / "where")

    def test_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "cat.jpg").write_bytes(b"x")
        assert "Expected a folder" in refused(tmp_path / "cat.jpg")

    def test_images_without_class_folders(self, tmp_path: Path) -> None:
        for index in range(40):
            (tmp_path / f"{index}.jpg").write_bytes(b"x")
        assert "found 40 images directly in it" in refused(tmp_path)

    def test_an_empty_folder(self, tmp_path: Path) -> None:
        assert "found neither folders nor images" in refused(tmp_path)

    def test_one_class(self, tmp_path: Path) -> None:
        assert "at least two classes" in refused(class_folders(tmp_path, classes=1))

    def test_an_empty_class(self, tmp_path: Path) -> None:
        class_folders(tmp_path)
        (tmp_path / "empty").mkdir()
        assert f"No images in the class folder {tmp_path / 'empty'}" in refused(tmp_path)

    def test_a_class_that_train_lacks(self, tmp_path: Path) -> None:
        split_folders(tmp_path, {"train": 2, "val": 2})
        (tmp_path / "val" / "red").rename(tmp_path / "val" / "Red")
        message = refused(tmp_path)
        assert "val has classes that train lacks: 'Red'" in message
        assert "'green', 'red'" in message

    def test_splits_without_train(self, tmp_path: Path) -> None:
        assert "none for train" in refused(split_folders(tmp_path, {"val": 2, "test": 2}))

    def test_two_folders_for_one_split(self, tmp_path: Path) -> None:
        assert "both mean val" in refused(split_folders(tmp_path, {"train": 1, "val": 1, "validation": 1}))

    def test_a_split_folder_without_classes(self, tmp_path: Path) -> None:
        split_folders(tmp_path, {"train": 2})
        (tmp_path / "test").mkdir()
        (tmp_path / "test" / "1.jpg").write_bytes(b"x")
        assert "found 1 image directly in it" in refused(tmp_path)

    @pytest.mark.skipif(os.name == "nt", reason="no such names on Windows")
    def test_a_class_name_with_the_separator(self, tmp_path: Path) -> None:
        class_folders(tmp_path)
        (tmp_path / "red").rename(tmp_path / "red|blue")
        assert "'red|blue' names several classes" in refused(tmp_path)

    def test_multilabel_needs_a_manifest(self, tmp_path: Path) -> None:
        assert "multilabel needs a manifest" in refused(class_folders(tmp_path), task="multilabel")

    def test_no_source(self) -> None:
        with pytest.raises(ConfigError, match="tlk fit FOLDER"):
            read_source(DataConfig())


class TestTable:
    def table(self, folder: Path, text: str, name: str = "labels.csv") -> Path:
        file = folder / name
        file.write_bytes(text.encode())
        return file

    def test_paths_are_relative_to_the_file(self, tmp_path: Path) -> None:
        found = read(self.table(tmp_path, "path,label\na/1.jpg,cat\n/abs/2.jpg,dog\n"))
        assert [(example.path, example.label) for example in found.examples] == [
            (str(tmp_path / "a/1.jpg"), "cat"),
            ("/abs/2.jpg", "dog"),
        ]
        assert found.classes == ("cat", "dog")

    @pytest.mark.parametrize(
        "text",
        [
            "path,label,split\n1.jpg,cat,train\n2.jpg,dog,train\n3.jpg,dog,val\n",
            "\ufeffPath ; Label; SPLIT\r\n1.jpg;cat;Training\r\n2.jpg; dog ;train\r\n\r\n3.jpg;dog;valid\r\n",
            "id\tsplit\tlabel\tpath\n7\ttrain\tcat\t1.jpg\n8\tTRAIN\tdog\t2.jpg\n9\tvalidation\tdog\t3.jpg",
            '"path","label","split"\n"1.jpg","cat","train"\n"2.jpg","dog","train"\n"3.jpg","dog","val"\n',
        ],
        ids=["plain", "excel", "tabs", "quoted"],
    )
    def test_dialects(self, text: str, tmp_path: Path) -> None:
        expected = [("1.jpg", "cat", "train"), ("2.jpg", "dog", "train"), ("3.jpg", "dog", "val")]
        for name in ("labels.csv", "LABELS 标签.TSV"):
            assert names(read(self.table(tmp_path, text, name))) == expected

    def test_a_path_with_a_comma(self, tmp_path: Path) -> None:
        found = read(self.table(tmp_path, 'path,label\n"a, b.jpg",cat\nc.jpg,dog\n'))
        assert names(found)[0] == ("a, b.jpg", "cat", "")

    def test_missing_images_are_found_out_by_the_check(self, tmp_path: Path) -> None:
        found = read(self.table(tmp_path, "path,label\n1.jpg,cat\n2.jpg,dog\n"))
        assert [example.problem for example in check(found.examples, Geometry(8, 8))] == [
            "file not found"
        ] * 2

    def test_multilabel(self, tmp_path: Path) -> None:
        text = "path,label\n1.jpg,dog| cat\n2.jpg,\n3.jpg,bird\n1.jpg,cat|dog\n"
        found = read(self.table(tmp_path, text), task="multilabel")
        assert found.classes == ("bird", "cat", "dog")
        assert [example.labels for example in found.examples] == [("cat", "dog"), (), ("bird",)]

    def test_repeated_rows_are_kept_once(self, tmp_path: Path) -> None:
        found = read(self.table(tmp_path, "path,label\n1.jpg,cat\n./1.jpg,cat\n2.jpg,dog\n"))
        assert len(found.examples) == 2
        assert found.remarks == ("1 repeated row ignored (line 3)",)

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("path,lable\n1.jpg,cat\n", "no column 'label'. Did you mean 'lable'?\nExpected the header"),
            ("", "no column 'path'"),
            ("path,label\n", "no rows"),
            ("path,label\n1.jpg,cat\n2.jpg,cat\n", "at least two classes"),
            ("path,label\n1.jpg,cat\n2.jpg,\n", "line 3: the label of '2.jpg' is empty"),
            ("path,label\n1.jpg,cat\n,dog\n", "line 3: the path is empty"),
            ("path,label\n1.jpg,cat\n1.jpg,dog\n", "line 3: '1.jpg' is labelled 'dog' here and 'cat' before"),
            ("path,label\n1.jpg,cat|dog\n2.jpg,cat\n", "'cat|dog' names several classes"),
            ("path,label,split\n1.jpg,cat,train\n2.jpg,dog,\n", "line 3: the split is empty"),
            (
                "path,label,split\n1.jpg,cat,tain\n2.jpg,dog,train\n",
                "line 2: expected train, val or test, found 'tain'. Did you mean 'train'?",
            ),
            ("path,label,split\n1.jpg,cat,val\n2.jpg,dog,val\n", "none for train"),
            (
                "path,label,split\n1.jpg,cat,train\n2.jpg,dog,train\n3.jpg,cow,val\n",
                "val has classes that train lacks: 'cow'",
            ),
            (
                "path,label,split\n1.jpg,cat,train\n2.jpg,dog,train\n1.jpg,cat,val\n",
                "line 4: '1.jpg' is in val here and in train before",
            ),
        ],
    )
    def test_errors(self, text: str, expected: str, tmp_path: Path) -> None:
        assert expected in refused(self.table(tmp_path, text))

    def test_not_found(self, tmp_path: Path) -> None:
        self.table(tmp_path, "")
        assert "Did you mean 'labels.csv'?" in refused(tmp_path / "label.csv")

    def test_errors_of_multilabel_rows(self, tmp_path: Path) -> None:
        assert "at least two classes" in refused(
            self.table(tmp_path, "path,label\n1.jpg,\n"), task="multilabel"
        )
        assert "'cow'" in refused(
            self.table(tmp_path, "path,label,split\n1.jpg,cat|dog,train\n2.jpg,cat|cow,test\n"),
            task="multilabel",
        )


class TestDigits:
    def test_they_are_small_grey_images_written_once(self, cache: Path) -> None:
        found = read("digits")
        assert found.classes == tuple("0123456789")
        assert len(found.examples) == 1797
        images = [np.asarray(Image.open(example.path)) for example in found.examples]
        assert {image.shape for image in images} == {(8, 8)}
        assert (min(map(np.min, images)), max(map(np.max, images))) == (0, 255)
        written = (cache / "digits").stat().st_mtime_ns
        assert read("digits") == found
        assert (cache / "digits").stat().st_mtime_ns == written
        assert [path.name for path in cache.iterdir()] == ["digits"]

    def test_a_folder_of_that_name_is_pointed_out(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class_folders(tmp_path / "digits")
        monkeypatch.chdir(tmp_path)
        assert "write ./digits" in read("digits").remarks[0]
        assert read("./digits").classes == ("green", "red")


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> str:
    from tests.data import tiny_datasets  # imports TensorFlow

    folder = str(tmp_path_factory.mktemp("tfds"))
    for builder in (tiny_datasets.TlkTiny, tiny_datasets.TlkOneSplit, tiny_datasets.TlkUnlabelled):
        builder(data_dir=folder).download_and_prepare()
    return folder


class TestTfds:
    def test_the_files_come_out_untouched(self, data_dir: str, cache: Path) -> None:
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

    def test_it_is_unpacked_once(self, data_dir: str) -> None:
        found = read("tfds:tlk_tiny:1.0.0", tfds_dir=data_dir)
        times = [Path(example.path).stat().st_mtime_ns for example in found.examples]
        assert read("tfds:tlk_tiny", tfds_dir=data_dir) == found
        assert [Path(example.path).stat().st_mtime_ns for example in found.examples] == times

    def test_nothing_but_our_own_progress_is_printed(
        self, data_dir: str, capfd: pytest.CaptureFixture[str]
    ) -> None:
        read("tfds:tlk_tiny", tfds_dir=data_dir)
        printed = capfd.readouterr()
        assert printed.out == ""
        assert all(line.startswith("unpacking") for line in printed.err.splitlines())

    def test_chosen_parts_of_splits(self, data_dir: str) -> None:
        parts = {"train": "train[:50%]", "val": "train[50%:]"}
        found = read("tfds:tlk_tiny", tfds_dir=data_dir, tfds_splits=parts)
        assert Counter(example.split for example in found.examples) == {"train": 6, "val": 6}
        assert len({Path(example.path).read_bytes() for example in found.examples}) == 12

    def test_pixels_stay_as_they_were(self, data_dir: str) -> None:
        example = read("tfds:tlk_tiny", tfds_dir=data_dir).examples[0]
        assert np.asarray(Image.open(example.path)).shape == (20, 24, 3)

    def test_unknown_names(self, data_dir: str) -> None:
        assert "knows no 'tlk_tinny'" in refused("tfds:tlk_tinny", tfds_dir=data_dir)
        assert "tlk_tiny" in refused("tfds:tlk_tiny:9.9.9", tfds_dir=data_dir)
        assert "'weekend'" in refused("tfds:tlk_tiny", tfds_dir=data_dir, tfds_splits={"train": "weekend"})

    def test_without_a_class_label(self, data_dir: str) -> None:
        assert "class labels none among" in refused("tfds:tlk_unlabelled", tfds_dir=data_dir)

    def test_without_train(self, data_dir: str) -> None:
        assert "no split `train`, only 'whole'" in refused("tfds:tlk_one_split", tfds_dir=data_dir)
        found = read("tfds:tlk_one_split", tfds_dir=data_dir, tfds_splits={"train": "whole"})
        assert len(found.examples) == 12

    @pytest.mark.usefixtures("data_dir")
    def test_what_cannot_be_prepared(self, tmp_path: Path) -> None:
        message = refused("tfds:tlk_offline", tfds_dir=str(tmp_path))
        assert "no network here" in message
        assert "data.tfds_dir" in message

    def test_a_cache_folder_that_was_left_unfinished_is_made_again(self, data_dir: str, cache: Path) -> None:
        found = read("tfds:tlk_tiny", tfds_dir=data_dir)
        shutil.rmtree(next((cache / "tfds").iterdir()) / "train")
        assert read("tfds:tlk_tiny", tfds_dir=data_dir) == found
