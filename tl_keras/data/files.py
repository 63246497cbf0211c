"""What lies in a folder: its images, its folders, and what is neither."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tl_keras.errors import DataError

_READABLE = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".webp")
_NOT_READABLE = (".tif", ".tiff", ".heic", ".heif", ".avif", ".ico", ".svg")

IMAGE_SUFFIXES = frozenset(_READABLE + _NOT_READABLE)
"""Files meant as images: also those that cannot be read, so that they are reported, not passed over."""


@dataclass(frozen=True, slots=True)
class Entries:
    """The visible contents of one folder, sorted by name.

    Attributes:
        folders: Folders, links to folders included.
        images: Files with an image's suffix, whatever is in them.
        others: All other files.
        unnameable: How many names are no valid UTF-8; they could not be written into any list.
    """

    folders: list[Path]
    images: list[Path]
    others: list[Path]
    unnameable: int


def image_files(folder: Path) -> Iterator[Path]:
    """Yield the image files in a folder and the folders below; links to folders are not followed.

    Raises:
        DataError: A folder cannot be read.
    """
    for entries in walk(folder):
        yield from entries.images


def walk(folder: Path) -> Iterator[Entries]:
    """Yield the entries of a folder, then of each folder below it that is not a link."""
    entries = entries_of(folder)
    yield entries
    for below in entries.folders:
        if not below.is_symlink():
            yield from walk(below)


def entries_of(folder: Path) -> Entries:
    """List a folder, without hidden files and what macOS adds to zip files.

    Raises:
        DataError: It cannot be read.
    """
    folders, images, others, unnameable = [], [], [], 0
    for entry in _visible(folder):
        path = folder / entry.name
        if not _is_text(entry.name):
            unnameable += 1
        elif entry.is_dir():
            folders.append(path)
        elif path.suffix.lower() in IMAGE_SUFFIXES:
            images.append(path)
        else:
            others.append(path)
    return Entries(folders, images, others, unnameable)


def absolute(path: str, folder: str | Path = "") -> Path:
    """Return a path from the user, `~` and `..` resolved, links kept; relative ones start at `folder`.

    pathlib would follow links to get rid of `..`, and fail at a file name like `~nobody`.
    """
    return Path(os.path.abspath(os.path.join(folder, os.path.expanduser(path))))


def _visible(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            visible = [entry for entry in entries if entry.name[0] != "." and entry.name != "__MACOSX"]
    except OSError as error:
        raise DataError(f"Cannot read the folder {folder}: {error.strerror}.") from None
    return sorted(visible, key=lambda entry: entry.name)


def _is_text(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
