"""Which part of a run's network is frozen, and whether there is room to store what it makes of each image."""

from __future__ import annotations

import os
from typing import Any

import keras

from tl_keras.config import Config
from tl_keras.console import say
from tl_keras.errors import RunError
from tl_keras.features.frozen import FrozenPart
from tl_keras.features.room import features_dir
from tl_keras.geometry import Geometry
from tl_keras.models.backbones import find
from tl_keras.models.boundary import Cut
from tl_keras.models.preprocessing import PREPROCESSING

LARGEST = 16
"""A row that is so many times as large as the image's pixels is not worth storing: little lies below it."""


def frozen_trunk(trunk: keras.Model, config: Config, geometry: Geometry) -> FrozenPart:
    """Return everything below the head: the network of `build_trunk` or `trunk_of`."""
    return FrozenPart(trunk, _about(config, f"pooling {config.model.pooling}"), geometry, config.runtime)


def store_or_keep_in_memory(frozen: FrozenPart, rows: int) -> None:
    """Let features stay in memory where the disk has no room for so many rows.

    Raises:
        RunError: Nor has the memory.
    """
    if frozen.make_room(rows):
        return
    needed = rows * frozen.row_bytes
    if needed > os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2:
        raise RunError(
            f"{_no_room(needed)}, nor in memory.\nMake room there, raise runtime.store_gb, set "
            "runtime.feature_dtype=float16, or train on whole images: --features off"
        )
    say(f"{_no_room(needed)}: they are kept in memory, for this time only (see: tlk cache)")
    frozen.keep_in_memory()


def frozen_below(cut: Cut, config: Config, geometry: Geometry) -> FrozenPart | None:
    """Return everything below the freeze boundary, or None where that is too little to be worth it."""
    frozen = FrozenPart(cut.lower, _about(config, cut.layer), geometry, config.runtime)
    return frozen if frozen.row_bytes <= LARGEST * geometry.height * geometry.width * 3 else None


def has_room(frozen: FrozenPart, rows: int) -> bool:
    """Return whether so many rows can be stored; say so if not."""
    if frozen.make_room(rows):
        return True
    needed = _no_room(rows * frozen.row_bytes)
    say(f"{needed}: whole images go through the whole network in every epoch (see: tlk cache)")
    return False


def _no_room(needed: float) -> str:
    size = f"{needed / 2**30:.1f} GiB" if needed > 2**30 else f"{needed / 2**20:.1f} MiB"
    return f"no room to store {size} of features within runtime.store_gb and on the disk of {features_dir()}"


def _about(config: Config, cut: str) -> dict[str, Any]:
    backbone = find(config.model.backbone)
    return {
        "backbone": backbone.name,
        "options": config.model.options,
        "preprocessing": f"{backbone.preprocessing}, {PREPROCESSING}",
        "cut": cut,
    }
