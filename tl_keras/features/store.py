"""Rows of features on disk, by the hash of the image they were made of.

    features/FINGERPRINT/
        about.json           all that a row depends on besides the image
        runs.txt             the runs that used it
        HASH.npy             a chunk: a table of (sha256, row); its name is the hash of its content

A chunk is written aside, renamed, and never changed: a reader sees all of it or nothing, and two processes
need not agree on anything. Whatever does not hash to its name is removed, and its rows are computed anew.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tl_keras.core.console import warn
from tl_keras.core.files import atomic_write, remove, write_text
from tl_keras.errors import RunError

Rows = npt.NDArray[Any]

ABOUT_FILE, RUNS_FILE = "about.json", "runs.txt"
KEY_BYTES = 32
CHUNKS = "[0-9a-f]*.npy"
SMALL_BYTES, MANY_SMALL = 2 * 2**20, 64


class Store:
    """The rows of one fingerprint.

    Args:
        folder: Where they lie; None keeps them in memory, for this process only.
        about: What they depend on.
        shape: Of one row.
        dtype: Of one row.
        has_room: Whether so many bytes more may be written.
    """

    def __init__(
        self,
        folder: Path | None,
        about: Mapping[str, Any],
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        has_room: Callable[[int], bool] = lambda _: True,
    ) -> None:
        self.folder = folder
        self.shape = shape
        self.dtype = dtype
        self._about = about
        self._has_room = has_room
        self._record = np.dtype([("sha256", f"V{KEY_BYTES}"), ("row", dtype, shape)])
        self._writes = True
        self._in_memory = 0
        self._chunks: list[Rows] = []
        self._read: set[str] = set()
        self._place: dict[str, tuple[int, int]] = {}  # hash of an image -> chunk, row
        self.refresh()

    def __contains__(self, sha256: object) -> bool:
        return sha256 in self._place

    def __len__(self) -> int:
        return len(self._place)

    def refresh(self) -> None:
        """Take in the files that were written since the last look, after a check of their content."""
        if self.folder is None:
            return
        new = [file for file in sorted(self.folder.glob(CHUNKS)) if file.name not in self._read]
        damaged = sum(not self._take_in(file) for file in new)
        if damaged:
            files = "file of stored features is" if damaged == 1 else "files of stored features are"
            warn(f"{damaged} damaged {files} left out; the rows are computed anew.")

    def merge(self) -> None:
        """Make one file of many small ones: each that is open takes a file descriptor."""
        if self.folder is None:
            return
        with suppress(RunError, OSError):  # a full disk, or another process that clears up
            files = [self.folder / name for name in sorted(self._read)]
            small = [file for file in files if file.stat().st_size < SMALL_BYTES]
            if len(small) >= MANY_SMALL:
                tables = [np.load(file, allow_pickle=False) for file in small]
                self._take_in(self._write(self.folder, np.concatenate(tables)))
                for file in small:
                    remove(file)

    def add(self, hashes: Sequence[str], rows: Rows) -> None:
        """Keep the rows [n, *shape] of n images; on disk, where there is one with room."""
        table = np.empty(len(hashes), self._record)
        table["sha256"] = np.frombuffer(bytes.fromhex("".join(hashes)), f"V{KEY_BYTES}")
        table["row"] = rows
        try:
            if self.folder is not None and self._writes:
                self._take_in(self._write(self.folder, table))
        except (RunError, OSError) as error:
            warn(f"{error} New features are kept in memory, for this time only.")
            self._writes = False
        if hashes[0] not in self._place:  # not written, or removed by another process meanwhile
            self._keep_in_memory(table)

    def _keep_in_memory(self, table: Rows) -> None:
        """Keep rows for this process only.

        Raises:
            RunError: They take half of the machine's memory.
        """
        self._in_memory += table.nbytes
        if self._in_memory > os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2:
            raise RunError(
                "The features fit neither on the disk nor into memory. Make room, raise runtime.store_gb, set"
                " runtime.feature_dtype=float16, or train on whole images: --features off"
            )
        self._append(table)

    def locate(self, hashes: Sequence[str]) -> npt.NDArray[np.int64]:
        """Return int64 [n, 2], chunk and row, of n images that are all here."""
        return np.array([self._place[sha256] for sha256 in hashes], np.int64).reshape(-1, 2)

    def read(self, places: npt.NDArray[np.int64]) -> Rows:
        """Return the rows [n, *shape] at `places`, int64 [n, 2]."""
        found = np.empty((len(places), *self.shape), self.dtype)
        for chunk in np.unique(places[:, 0]):
            here = places[:, 0] == chunk
            found[here] = self._chunks[chunk]["row"][places[here, 1]]
        return found

    def remember_user(self, run: Path) -> None:
        """Remember that `run` uses these features, and that they were used now."""
        if self.folder is None or not self.folder.is_dir():
            return
        users = runs_of(self.folder)
        with suppress(RunError, OSError):  # a full or read-only disk is no reason to stop
            self._describe(self.folder)
            if str(run) not in users:
                write_text(self.folder / RUNS_FILE, "".join(f"{user}\n" for user in [*users, run]))
            os.utime(self.folder)

    def _write(self, folder: Path, table: Rows) -> Path:
        if not self._has_room(table.nbytes):
            raise RunError(
                f"There is no room for more features within runtime.store_gb, or on the disk: {folder}."
            )
        self._describe(folder)
        content = io.BytesIO()
        np.save(content, table, allow_pickle=False)
        file = folder / f"{_short(hashlib.sha256(content.getbuffer()))}.npy"
        with atomic_write(file) as aside:
            aside.write_bytes(content.getbuffer())
        return file

    def _describe(self, folder: Path) -> None:
        file, text = folder / ABOUT_FILE, json.dumps(self._about, indent=2) + "\n"
        if not file.is_file() or file.read_bytes() != text.encode():
            write_text(file, text)

    def _take_in(self, file: Path) -> bool:
        """Map a file into memory; remove it and return False if it is not what its name says."""
        try:
            # Read, not mapped, for the hash: what is mapped and touched counts as this process's memory.
            with file.open("rb") as stream:
                whole = _short(hashlib.file_digest(stream, "sha256")) == file.stem
            table = np.load(file, mmap_mode="r", allow_pickle=False) if whole else None
        except OSError:
            return True  # gone: another process made room in the meantime; or not for us to read
        if table is None or table.dtype != self._record:
            remove(file)
            return False
        self._read.add(file.name)
        self._append(table)
        return True

    def _append(self, table: Rows) -> None:
        number, digits = len(self._chunks), table["sha256"].tobytes().hex()
        self._chunks.append(table)
        self._place |= {digits[64 * row : 64 * (row + 1)]: (number, row) for row in range(len(table))}


def fingerprint(about: Mapping[str, Any]) -> str:
    """Return 24 hexadecimal digits that stand for all values of `about`."""
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:24]


def open_store(
    root: Path | None,
    about: Mapping[str, Any],
    shape: tuple[int, ...],
    dtype: Any,
    has_room: Callable[[int], bool] = lambda _: True,
) -> Store:
    """Return the store of everything that `about` describes, below `root`; in memory if that is None."""
    return Store(root / fingerprint(about) if root else None, about, shape, dtype, has_room)


def runs_of(folder: Path) -> list[str]:
    """Return the runs that used the store in `folder`."""
    try:
        return (folder / RUNS_FILE).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []


def _short(digest: Any) -> str:
    # A part of SHA-256 is plenty against damage; nobody is defended against here.
    return str(digest.hexdigest()[:24])
