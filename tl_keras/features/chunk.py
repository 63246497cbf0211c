"""The files of a store: chunks of rows, and beside each the hashes of its images.

A chunk, HASH.npy, is a table of (sha256, row); its name is a hash of its content, which decides whether it is
whole. HASH.keys repeats its first column, so that a store can be opened without a look into any chunk; it is
made anew where it is missing or damaged, or does not fit to a chunk of this name, this size and these rows.
"""

from __future__ import annotations

import hashlib
import io
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tl_keras.core.files import atomic_write, remove
from tl_keras.errors import RunError

Rows = npt.NDArray[Any]

KEY_BYTES = 32
CHUNKS = "[0-9a-f]*.npy"
KEYS_SUFFIX = ".keys"


class DamagedChunk(Exception):
    """A file is not what its name says."""


def record_of(shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the dtype of a table of images' hashes and rows."""
    return np.dtype([("sha256", f"V{KEY_BYTES}"), ("row", dtype, shape)])


def write_chunk(folder: Path, table: Rows) -> Path:
    """Write a table and its keys; return the chunk's file.

    Not durable: what a loss of power damages does not hash to its name.

    Raises:
        RunError: The disk is full or read-only.
    """
    content = io.BytesIO()
    np.save(content, table, allow_pickle=False)
    file = folder / f"{_short(hashlib.sha256(content.getbuffer()))}.npy"
    with atomic_write(file, durable=False) as aside:
        aside.write_bytes(content.getbuffer())
    _write_keys(file, table)
    return file


def read_keys(file: Path, record: np.dtype[Any]) -> tuple[bytes, Rows | None]:
    """Return the images' hashes in a chunk, one after the other, and the chunk if it had to be verified.

    Raises:
        DamagedChunk: It is not a table of `record`, or not whole.
        OSError: It has gone, or is not for us to read.
    """
    keys = _stored_keys(file, record)
    if keys is not None:
        return keys, None
    table = verified_chunk(file, record)
    with suppress(RunError, OSError):  # without them the next process verifies it once more
        _write_keys(file, table)
    return table["sha256"].tobytes(), table


def verified_chunk(file: Path, record: np.dtype[Any]) -> Rows:
    """Return a chunk, mapped into memory, after a look at every byte of it.

    Raises:
        DamagedChunk: It is not what its name says, or not a table of `record`.
        OSError: It has gone, or is not for us to read.
    """
    # Read, not mapped, for the hash: what is mapped and touched counts as this process's memory.
    with file.open("rb") as stream:
        if _short(hashlib.file_digest(stream, "sha256")) != file.stem:
            raise DamagedChunk(file)
    return mapped_chunk(file, record)


def mapped_chunk(file: Path, record: np.dtype[Any]) -> Rows:
    """Return a chunk that is known to be whole, mapped into memory.

    Raises:
        DamagedChunk: It is not a table of `record`.
        OSError: It has gone, or is not for us to read.
    """
    try:
        table: Rows = np.load(file, mmap_mode="r", allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise DamagedChunk(file) from error
    if table.dtype != record or table.ndim != 1:
        raise DamagedChunk(file)
    return table


def remove_chunk(file: Path) -> None:
    """Remove a chunk and its keys."""
    remove(file)
    remove(file.with_suffix(KEYS_SUFFIX))


def _write_keys(file: Path, table: Rows) -> None:
    keys = table["sha256"].tobytes()
    with atomic_write(file.with_suffix(KEYS_SUFFIX), durable=False) as aside:
        aside.write_bytes(keys + _digest_of(file, table.dtype, keys))


def _stored_keys(file: Path, record: np.dtype[Any]) -> bytes | None:
    try:
        content = file.with_suffix(KEYS_SUFFIX).read_bytes()
    except OSError:
        return None
    keys, digest = content[:-KEY_BYTES], content[-KEY_BYTES:]
    return keys if digest == _digest_of(file, record, keys) else None


def _digest_of(file: Path, record: np.dtype[Any], keys: bytes) -> bytes:
    chunk = f"{file.stem} {file.stat().st_size} {record.descr}"
    return hashlib.sha256(chunk.encode() + keys).digest()


def _short(digest: Any) -> str:
    # A part of SHA-256 is plenty against damage; nobody is defended against here.
    return str(digest.hexdigest()[:24])
