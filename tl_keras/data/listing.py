"""What lies in a folder: its images, its folders, and what is neither."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from tl_keras.errors import DataError

_READABLE = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".gif", ".webp")
_NOT_READABLE = (".tif", ".tiff", ".heic", ".heif", ".avif", ".ico", ".svg")

IMAGE_SUFFIXES = frozenset(_READABLE + _NOT_READABLE)
"""Files meant as images: also those that cannot be read, so that they are reported, not passed over."""

_SYSTEM = frozenset(
    (
        "__macosx",
        "thumbs.db",
        "ehthumbs.db",
        "desktop.ini",
        "@eadir",
        "$recycle.bin",
        "system volume information",
    )
)
"""What systems put beside people's files, in lower case; names that begin with a dot need no list."""


@dataclass(frozen=True, slots=True)
class Entries:
    """The contents of one folder, sorted by name.

    Attributes:
        folders: Folders, links to folders included.
        images: Files with an image's suffix, whatever is in them.
        others: All other files.
        unnameable: How many names are no valid UTF-8; they could not be written into any list.
        hidden: Names of hidden files and folders, and of what systems add.
        dead_links: Links to nothing or to themselves, but for those with an image's suffix.
    """

    folders: list[Path]
    images: list[Path]
    others: list[Path]
    unnameable: int
    hidden: list[str]
    dead_links: list[Path]


def image_files(folder: Path) -> Iterator[Path]:
    """Yield the image files in a folder and the folders below; links to folders are not followed.

    Raises:
        DataError: A folder cannot be read.
    """
    for entries in walk(folder):
        yield from entries.images


def walk(folder: Path) -> Iterator[Entries]:
    """Yield the entries of a folder, then of each folder below it that is not a link."""
    waiting = [folder]
    while waiting:
        entries = entries_of(waiting.pop())
        yield entries
        waiting += [below for below in reversed(entries.folders) if not below.is_symlink()]


def entries_of(folder: Path) -> Entries:
    """List a folder; hidden files and what systems add to people's files are set apart.

    Raises:
        DataError: It cannot be read.
    """
    found = Entries([], [], [], 0, [], [])
    unnameable = 0
    for entry in _sorted(folder):
        path = folder / entry.name
        if entry.name[0] == "." or entry.name.lower() in _SYSTEM:
            found.hidden.append(entry.name if _is_text(entry.name) else ".*")
        elif not _is_text(entry.name):
            unnameable += 1
        else:
            _place(entry, path, found).append(path)
    return replace(found, unnameable=unnameable)


def absolute(path: str, folder: str | Path = "") -> Path:
    """Return a path from the user, `~` and `..` resolved, links kept; relative ones start at `folder`.

    pathlib would follow links to get rid of `..`, and fail at a file name like `~nobody`.
    """
    return Path(absolute_text(path, str(folder)))


def absolute_text(path: str, folder: str) -> str:
    """Do the same without pathlib, which takes most of the time where there are many paths."""
    return os.path.abspath(os.path.join(folder, os.path.expanduser(path)))


def _place(entry: os.DirEntry[str], path: Path, found: Entries) -> list[Path]:
    """Return the list that this visible entry belongs to."""
    if _is_folder(entry):
        return found.folders
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return found.images
    return found.dead_links if entry.is_symlink() and not path.exists() else found.others


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _sorted(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(
            f"Cannot read the folder {folder}: {error.strerror}.\nGive yourself permission, or move it away."
        ) from None


def _is_text(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
