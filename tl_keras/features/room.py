"""The stored features of this machine: what there is, and room for more within a budget."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tl_keras.data.cache import cache_dir
from tl_keras.features.store import ABOUT_FILE, KEY_BYTES, runs_of
from tl_keras.files import remove

SPARE = 2**30
"""Bytes of the disk that are left to others."""


@dataclass(frozen=True, slots=True)
class StoredFeatures:
    """One store on disk.

    Attributes:
        folder: Where it lies.
        about: What its rows depend on, besides the image; empty when that cannot be read.
        rows: Images in it.
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


def features_dir() -> Path:
    """Return the folder of all stored features. It may not exist yet."""
    return cache_dir() / "features"


def stored_features(root: Path) -> list[StoredFeatures]:
    """Return what is stored below `root`, the most recently used first."""
    folders = [folder for folder in root.glob("[0-9a-f]*") if folder.is_dir()]
    return sorted(map(_describe, folders), key=lambda store: -store.used)


def make_room(root: Path, needed: int, budget: float, keep: Iterable[Path]) -> bool:
    """Remove least recently used stores until `needed` bytes more fit; return whether they do.

    Args:
        root: The folder of all stores.
        needed: Bytes.
        budget: Bytes that all stores together may take.
        keep: Folders that are not removed.
    """
    kept = set(keep)
    others = [store for store in reversed(stored_features(root)) if store.folder not in kept]
    mine = sum(_size(folder) for folder in kept)
    if mine + needed > budget:
        return False
    while not _fits(root, needed, budget):
        if not others:
            return False
        remove(others.pop(0).folder)
    return True


def clear(root: Path) -> float:
    """Remove all stored features and return their size, MB. Processes that read them go on undisturbed."""
    stores = stored_features(root)
    for store in stores:
        remove(store.folder)
    return sum(store.megabytes for store in stores)


def _fits(root: Path, needed: int, budget: float) -> bool:
    if _size(root) + needed > budget:
        return False
    there = next(folder for folder in (root, *root.parents) if folder.is_dir())
    return needed == 0 or shutil.disk_usage(there).free >= needed + SPARE


def _size(folder: Path) -> int:
    total = 0
    for file in folder.rglob("*"):
        try:
            total += file.stat().st_size if file.is_file() else 0
        except FileNotFoundError:  # another process is clearing up
            continue
    return total


def _describe(folder: Path) -> StoredFeatures:
    try:
        about = json.loads((folder / ABOUT_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        about = {}
    row = math.prod(about.get("shape", ())) * np.dtype(about.get("dtype", "float32")).itemsize + KEY_BYTES
    size, used = _size(folder), folder.stat().st_mtime
    return StoredFeatures(folder, about, size // row, size / 1e6, used, tuple(runs_of(folder)))
