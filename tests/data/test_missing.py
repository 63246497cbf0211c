"""Missing images: where they were looked for, and where they are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tl_keras.data.listing import absolute_text
from tl_keras.data.missing import missing_hint


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A manifest's folder, with the current folder elsewhere."""
    for name in ("elsewhere", "project/data"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path / "project" / "data"


def hint(folder: Path, *paths: str) -> str:
    text = missing_hint([absolute_text(path, str(folder)) for path in paths], folder)
    assert "\n" not in text
    return text


def touch(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"x")


def test_nothing_is_missing(folder: Path) -> None:
    assert hint(folder) == ""


def test_nothing_is_found_elsewhere(folder: Path) -> None:
    assert hint(folder, "a.jpg") == f"relative paths start at the manifest's folder, {folder}"


@pytest.mark.parametrize(
    ("there", "path", "expected"),
    [
        ("elsewhere/a.jpg", "a.jpg", "it is in the current folder: write '../../elsewhere/a.jpg'"),
        ("project/a.jpg", "a.jpg", "it is in the folder above: write '../a.jpg' instead of 'a.jpg'"),
        ("project/data/images/a.jpg", "a.jpg", "it is in images/: write 'images/a.jpg' instead of 'a.jpg'"),
        ("project/data/train/c/a.jpg", "c/a.jpg", "it is in train/: write 'train/c/a.jpg'"),
        ("project/data/a.JPG", "a.jpg", "it is there with the suffix .JPG: write 'a.JPG'"),
        ("project/data/a.jpeg", "a", "it is there with the suffix .jpeg: write 'a.jpeg' instead of 'a'"),
        ("project/data/c/a.jpg", "/home/bob/c/a.jpg", "it is below that folder: write 'c/a.jpg'"),
    ],
)
def test_places(there: str, path: str, expected: str, folder: Path) -> None:
    touch(folder.parents[1] / there)
    assert expected in hint(folder, path)


@pytest.mark.skipif(os.name == "nt", reason="these are separators there")
def test_windows_separators(folder: Path) -> None:
    assert "write / in paths instead of \\" in hint(folder, "photos\\a.jpg")
    touch(folder / "photos" / "a.jpg")
    assert "write 'photos/a.jpg' instead of 'photos\\\\a.jpg'" in hint(folder, "photos\\a.jpg")
    assert "write 'photos/a.jpg' instead of 'C:" in hint(folder, "C:\\bob\\photos\\a.jpg")


def test_some_of_many(folder: Path) -> None:
    touch(folder / "images" / "3.jpg")
    names = [f"{number}.jpg" for number in range(5)]
    assert "1 of the first 5 are in images/: write 'images/3.jpg' instead of '3.jpg'" in hint(folder, *names)
    assert "they are in images/" in hint(folder, "3.jpg", "3.jpg")
    assert hint(folder, "x.jpg", "deep/below/x.jpg") == hint(folder, "a.jpg")
