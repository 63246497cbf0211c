"""Manifests become labeled images, or a clear error."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.data.sources.reading import names, read, refused
from tl_keras.core.geometry import Geometry
from tl_keras.data.decode_examples import check


def table(folder: Path, text: str, name: str = "labels.csv") -> Path:
    file = folder / name
    file.write_bytes(text.encode())
    return file


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    found = read(table(tmp_path, "path,label\na/1.jpg,cat\n/abs/2.jpg,dog\n"))
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
def test_dialects(text: str, tmp_path: Path) -> None:
    expected = [("1.jpg", "cat", "train"), ("2.jpg", "dog", "train"), ("3.jpg", "dog", "val")]
    for name in ("labels.csv", "LABELS 标签.TSV"):
        assert names(read(table(tmp_path, text, name))) == expected


def test_a_path_with_a_comma(tmp_path: Path) -> None:
    found = read(table(tmp_path, 'path,label\n"a, b.jpg",cat\nc.jpg,dog\n'))
    assert names(found)[0] == ("a, b.jpg", "cat", "")


def test_missing_images_are_found_out_by_the_check(tmp_path: Path) -> None:
    found = read(table(tmp_path, "path,label\n1.jpg,cat\n2.jpg,dog\n"))
    assert [example.problem for example in check(found.examples, Geometry(8, 8))] == ["file not found"] * 2


def test_multilabel(tmp_path: Path) -> None:
    text = "path,label\n1.jpg,dog| cat\n2.jpg,\n3.jpg,bird\n1.jpg,cat|dog\n"
    found = read(table(tmp_path, text), task="multilabel")
    assert found.classes == ("bird", "cat", "dog")
    assert [example.labels for example in found.examples] == [("cat", "dog"), (), ("bird",)]


def test_repeated_rows_are_kept_once(tmp_path: Path) -> None:
    found = read(table(tmp_path, "path,label\n1.jpg,cat\n./1.jpg,cat\n2.jpg,dog\n"))
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
        ("path,label\n1.jpg,cat\n1.jpg,dog\n", "line 3: '1.jpg' is labeled 'dog' here and 'cat' before"),
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
def test_errors(text: str, expected: str, tmp_path: Path) -> None:
    assert expected in refused(table(tmp_path, text))


def test_not_found(tmp_path: Path) -> None:
    table(tmp_path, "")
    assert "Did you mean 'labels.csv'?" in refused(tmp_path / "label.csv")


def test_errors_of_multilabel_rows(tmp_path: Path) -> None:
    assert "at least two classes" in refused(table(tmp_path, "path,label\n1.jpg,\n"), task="multilabel")
    assert "'cow'" in refused(
        table(tmp_path, "path,label,split\n1.jpg,cat|dog,train\n2.jpg,cat|cow,test\n"),
        task="multilabel",
    )
