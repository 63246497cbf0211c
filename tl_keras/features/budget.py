"""The stored features of this machine: what there is, and room for more within a budget."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from tl_keras.core.cache_folder import cache_dir
from tl_keras.core.files import remove
from tl_keras.features.chunk import CHUNKS, KEY_BYTES
from tl_keras.features.store import ABOUT_FILE, runs_of

FREE_BYTES_LEFT = 2**30
"""Bytes of the disk that are left to others."""
LOCKS = ".locks"
HEADER_BYTES = 128
"""Of a .npy file with our kind of table, or a multiple."""


@dataclass(frozen=True, slots=True)
class StoredFeatures:
    """One store on disk.

    Attributes:
        folder: Where it lies.
        about: What its rows depend on, besides the image; empty when that cannot be read.
        rows: Images in it; 0 when `about` cannot be read.
        megabytes: Its size, MB.
        used: When it was last used, seconds since 1970.
        runs: Folders of the runs that used it.
    """

    folder: Path
    about: dict[str, Any]
    rows: int
    megabytes: float
    used: float
    runs: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {**asdict(self), "folder": str(self.folder)}


def features_dir() -> Path:
    """Return the folder of all stored features. It may not exist yet."""
    return cache_dir() / "features"


def stored_features(root: Path) -> list[StoredFeatures]:
    """Return what is stored below `root`, the most recently used first."""
    folders = [folder for folder in root.glob("[0-9a-f]*") if folder.is_dir()]
    found = [store for store in map(_describe, folders) if store is not None]
    return sorted(found, key=lambda store: -store.used)


def evict_until_fits(root: Path, needed: int, budget: float, keep: Iterable[Path]) -> bool:
    """Remove least recently used stores until `needed` bytes more fit; return whether they do.

    Nothing is removed if that would not be enough. Stores that another process fills stay.

    Args:
        root: The folder of all stores.
        needed: Bytes.
        budget: Bytes that all stores together may take.
        keep: Folders that are not removed.
    """
    kept = set(keep)
    there = next(folder for folder in (root, *root.parents) if folder.is_dir())
    too_much = max(size_of(root) + needed - budget, needed + FREE_BYTES_LEFT - shutil.disk_usage(there).free)
    if too_much <= 0 or needed == 0:
        return True
    others = [store for store in reversed(stored_features(root)) if store.folder not in kept]
    others = [store for store in others if not _is_being_filled(store.folder)]
    if sum(store.megabytes for store in others) * 1e6 < too_much:
        return False
    for store in others:
        if too_much > 0:
            remove(store.folder)
            too_much -= store.megabytes * 1e6
    return True


def size_of(folder: Path) -> int:
    """Return the bytes of all files in a folder, which other processes may change meanwhile."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                total += os.stat(os.path.join(parent, name)).st_size
    return total


def lock_of(folder: Path, images: str) -> FileLock:
    """Return the lock that a process holds while it fills the store in `folder` with these images."""
    return FileLock(folder.parent / LOCKS / f"{folder.name}-{images}")


def clear(root: Path) -> float:
    """Remove all stored features and return their size, MB. Processes that read them go on undisturbed."""
    stores = stored_features(root)
    for store in stores:
        remove(store.folder)
    return sum(store.megabytes for store in stores)


def _is_being_filled(folder: Path) -> bool:
    for file in (folder.parent / LOCKS).glob(f"{folder.name}-*"):
        lock = FileLock(file)
        try:
            lock.acquire(timeout=0)
        except (Timeout, OSError):
            return True
        lock.release()
    return False


def _describe(folder: Path) -> StoredFeatures | None:
    """Return what is in a folder, or None if another process has just removed it."""
    try:
        about = json.loads((folder / ABOUT_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        about = {}
    about = about if isinstance(about, dict) else {}
    try:
        used = folder.stat().st_mtime
        sizes = [file.stat().st_size for file in folder.glob(CHUNKS) if file.is_file()]
    except FileNotFoundError:
        return None
    rows = 0
    if "shape" in about:
        row = math.prod(about["shape"]) * np.dtype(about["dtype"]).itemsize + KEY_BYTES
        rows = sum((size - HEADER_BYTES) // row for size in sizes)
    return StoredFeatures(folder, about, rows, size_of(folder) / 1e6, used, tuple(runs_of(folder)))
