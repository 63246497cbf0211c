"""Rows of features on disk, by the hash of the image they were made of.

    features/FINGERPRINT/
        about.json           all that a row depends on besides the image
        runs.txt             the runs that used it
        HASH.npy             a chunk: a table of (sha256, row); its name is the hash of its content
        HASH.keys            the hashes of its images once more

A chunk is written aside, renamed, and never changed: a reader sees all of it or nothing, and two processes
need not agree on anything. To open a store only the keys are read. A chunk's content is verified, once per
process, when one of its images is first asked for: whatever does not hash to its name is removed, its images
are no longer there, and their rows are computed anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tl_keras.core.console import warn
from tl_keras.core.files import write_text
from tl_keras.errors import RunError
from tl_keras.features.chunk import (
    CHUNKS,
    KEY_BYTES,
    DamagedChunk,
    Rows,
    mapped_chunk,
    read_keys,
    record_of,
    remove_chunk,
    verified_chunk,
    write_chunk,
)

ABOUT_FILE, RUNS_FILE = "about.json", "runs.txt"
SMALL_BYTES, MANY_SMALL = 2 * 2**20, 64
MAX_ROWS = 2**32
"""Of one chunk."""


@dataclass(slots=True)
class _Chunk:
    """A part of a store.

    Attributes:
        file: Where it lies; None in memory.
        table: Hashes and rows; None until the file is verified.
    """

    file: Path | None
    table: Rows | None


class Store:
    """The rows of one fingerprint. Several threads may ask what is there, one adds.

    Args:
        folder: Where they lie; None keeps them in memory, for this process only.
        about: What they depend on.
        shape: Of one row.
        dtype: Of one row.
        make_room: Makes room for so many bytes more, and returns whether it could.
    """

    def __init__(
        self,
        folder: Path | None,
        about: Mapping[str, Any],
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        make_room: Callable[[int], bool] = lambda _: True,
    ) -> None:
        self.folder = folder
        self.shape = shape
        self.dtype = dtype
        self._about = about
        self._make_room = make_room
        self._record = record_of(shape, dtype)
        self._writes = True
        self._in_memory = 0
        self._chunks: list[_Chunk] = []
        self._known: set[str] = set()  # names of files
        self._place: dict[bytes, int] = {}  # hash of an image -> MAX_ROWS * chunk + row
        self._lock = threading.RLock()
        self.refresh()

    def __contains__(self, sha256: object) -> bool:
        """Return whether an image's row is here, after a look that its chunk is whole."""
        try:
            return self._find(bytes.fromhex(str(sha256))) is not None
        except ValueError:
            return False

    def __len__(self) -> int:
        """Return how many images there are, in chunks that need not have been verified."""
        return len(self._place)

    def refresh(self) -> None:
        """Take in the files that were written since the last look."""
        if self.folder is None:
            return
        with self._lock:
            new = [file for file in sorted(self.folder.glob(CHUNKS)) if file.name not in self._known]
            damaged = sum(not self._take_in(file) for file in new)
        if damaged:
            _warn_of_damage(damaged)

    def merge(self) -> None:
        """Make one file of many small ones: each that is open takes a file descriptor."""
        if self.folder is None:
            return
        with suppress(RunError, OSError), self._lock:  # a full disk, or another process that clears up
            small = [number for number, chunk in enumerate(self._chunks) if _is_small(chunk)]
            if len(small) >= MANY_SMALL:
                for number in small:
                    self._verify(number)
                self._merge(self.folder, [self._chunks[number] for number in small])

    def add(self, hashes: Sequence[str], rows: Rows) -> None:
        """Keep the rows [n, *shape] of n images; on disk, where there is one with room."""
        table = np.empty(len(hashes), self._record)
        table["sha256"] = np.frombuffer(bytes.fromhex("".join(hashes)), f"V{KEY_BYTES}")
        table["row"] = rows
        try:
            if self.folder is not None and self._writes:
                self._take_in_own(self._write(self.folder, table))
        except (RunError, OSError) as error:
            warn(f"{error} New features are kept in memory, for this time only.")
            self._writes = False
        if hashes[0] not in self:  # not written, or removed by another process meanwhile
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
        self._append(_Chunk(None, table), table["sha256"].tobytes())

    def locate(self, hashes: Sequence[str]) -> npt.NDArray[np.int64]:
        """Return int64 [n, 2], chunk and row, of n images.

        Raises:
            KeyError: One is not here.
        """
        places = [self._find(bytes.fromhex(sha256)) for sha256 in hashes]
        if None in places:
            raise KeyError(hashes[places.index(None)])
        return np.stack(np.divmod(np.array(places, np.int64), MAX_ROWS), axis=1)

    def read(self, places: npt.NDArray[np.int64]) -> Rows:
        """Return the rows [n, *shape] at `places`, int64 [n, 2], as `locate` gives them."""
        found = np.empty((len(places), *self.shape), self.dtype)
        for number in np.unique(places[:, 0]):
            here, table = places[:, 0] == number, self._chunks[number].table
            assert table is not None
            found[here] = table["row"][places[here, 1]]
        return found

    def remember_user(self, run: Path) -> None:
        """Remember that `run` uses these features, and that they were used now."""
        if self.folder is None or not self.folder.is_dir():
            return
        with suppress(RunError, OSError):  # a full or read-only disk is no reason to stop
            self._describe(self.folder)
            if str(run) not in runs_of(self.folder):
                # One write at the end of the file: what other processes add meanwhile stays.
                with (self.folder / RUNS_FILE).open("a", encoding="utf-8", newline="") as file:
                    file.write(f"{run}\n")
            os.utime(self.folder)

    def _write(self, folder: Path, table: Rows) -> Path:
        if not self._make_room(table.nbytes + len(table) * KEY_BYTES):
            raise RunError(
                f"There is no room for more features within runtime.store_gb, or on the disk: {folder}."
            )
        self._describe(folder)
        return write_chunk(folder, table)

    def _describe(self, folder: Path) -> None:
        file, text = folder / ABOUT_FILE, json.dumps(self._about, indent=2) + "\n"
        if not file.is_file() or file.read_bytes() != text.encode():
            write_text(file, text, durable=False)

    def _find(self, key: bytes) -> int | None:
        """Return the place of an image; None where there is none, or none that is whole."""
        place = self._place.get(key)
        if place is None or self._chunks[place // MAX_ROWS].table is not None:
            return place
        with self._lock:
            if self._place.get(key) == place:
                self._verify(place // MAX_ROWS)
        return self._find(key)

    def _verify(self, number: int) -> None:
        """Map a chunk into memory, or forget it if it is not whole; damaged files are removed."""
        chunk = self._chunks[number]
        if chunk.file is None or chunk.table is not None:
            return
        try:
            chunk.table = verified_chunk(chunk.file, self._record)
        except DamagedChunk:
            remove_chunk(chunk.file)
            self._forget(number, chunk.file)
            _warn_of_damage(1)
        except FileNotFoundError:  # another process has made room, or one file of many
            self._forget(number, chunk.file)
            self.refresh()
        except OSError:  # not for us to read
            self._forget(number, chunk.file, for_good=True)

    def _forget(self, number: int, file: Path, *, for_good: bool = False) -> None:
        self._place = {key: place for key, place in self._place.items() if place // MAX_ROWS != number}
        if not for_good:
            self._known.discard(file.name)

    def _merge(self, folder: Path, chunks: Sequence[_Chunk]) -> None:
        """Write the verified ones of these as one; what they hold stays mapped for those who read it."""
        whole = [chunk for chunk in chunks if chunk.table is not None]
        if not whole:
            return
        self._take_in_own(self._write(folder, np.concatenate([chunk.table for chunk in whole])))
        for chunk in whole:
            if chunk.file is not None:
                remove_chunk(chunk.file)
                chunk.file = None

    def _take_in(self, file: Path) -> bool:
        """Learn what a file holds; remove it and return False if it is seen to be damaged."""
        try:
            keys, table = read_keys(file, self._record)
        except DamagedChunk:
            remove_chunk(file)
            return False
        except OSError:
            return True  # gone: another process made room in the meantime; or not for us to read
        self._append(_Chunk(file, table), keys)
        return True

    def _take_in_own(self, file: Path) -> None:
        """Map a file that was just written: its name is known to be right."""
        with suppress(FileNotFoundError, DamagedChunk):  # another process clears up
            table = mapped_chunk(file, self._record)
            self._append(_Chunk(file, table), table["sha256"].tobytes())

    def _append(self, chunk: _Chunk, keys: bytes) -> None:
        with self._lock:
            first = MAX_ROWS * len(self._chunks)
            self._chunks.append(chunk)
            if chunk.file is not None:
                self._known.add(chunk.file.name)
            rows = np.frombuffer(keys, f"V{KEY_BYTES}").tolist()
            self._place |= zip(rows, range(first, first + len(rows)), strict=True)


def fingerprint(about: Mapping[str, Any]) -> str:
    """Return 24 hexadecimal digits that stand for all values of `about`."""
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:24]


def open_store(
    root: Path | None,
    about: Mapping[str, Any],
    shape: tuple[int, ...],
    dtype: Any,
    make_room: Callable[[int], bool] = lambda _: True,
) -> Store:
    """Return the store of everything that `about` describes, below `root`; in memory if that is None."""
    return Store(root / fingerprint(about) if root else None, about, shape, dtype, make_room)


def runs_of(folder: Path) -> list[str]:
    """Return the runs that used the store in `folder`."""
    try:
        return (folder / RUNS_FILE).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []


def _is_small(chunk: _Chunk) -> bool:
    with suppress(OSError):
        return chunk.file is not None and chunk.file.stat().st_size < SMALL_BYTES
    return False


def _warn_of_damage(count: int) -> None:
    files = "file of stored features is" if count == 1 else "files of stored features are"
    warn(f"{count} damaged {files} left out; the rows are computed anew.")
