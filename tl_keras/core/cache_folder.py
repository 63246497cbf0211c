"""Where data that is made once and used by many runs lies on disk."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from tl_keras.core.files import atomic_write


def cache_dir() -> Path:
    """Return the cache folder: `TLK_CACHE`, or ~/.cache/tl_keras. It may not exist yet."""
    return Path(os.environ.get("TLK_CACHE") or "~/.cache/tl_keras").expanduser().absolute()


def build_once(folder: Path, write: Callable[[Path], None]) -> Path:
    """Return `folder`, filled by `write` if it does not exist yet.

    `write` gets an empty folder that is renamed when complete: one that exists is whole, even after a crash
    or a loss of power.
    """
    if not folder.is_dir():
        with atomic_write(folder, durable=False) as aside:
            aside.mkdir()
            write(aside)
            os.sync()  # thousands of small images: one by one would take far longer
    return folder
