"""Which part of a run's network is frozen, and whether there is room to store what it makes of each image."""

from __future__ import annotations

from typing import Any

import keras

from tl_keras.config import Config
from tl_keras.console import say
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


def frozen_below(cut: Cut, config: Config, geometry: Geometry) -> FrozenPart | None:
    """Return everything below the freeze boundary, or None where that is too little to be worth it."""
    frozen = FrozenPart(cut.lower, _about(config, cut.layer), geometry, config.runtime)
    return frozen if frozen.row_bytes <= LARGEST * geometry.height * geometry.width * 3 else None


def has_room(frozen: FrozenPart, rows: int) -> bool:
    """Return whether so many rows can be stored; say so if not."""
    if frozen.make_room(rows):
        return True
    needed = rows * frozen.row_bytes
    size = f"{needed / 2**30:.1f} GiB" if needed > 2**30 else f"{needed / 2**20:.1f} MiB"
    say(
        f"no room to store {size} of activations within runtime.store_gb, or on the disk: {features_dir()}: "
        "whole images go through the whole network in every epoch (see: tlk cache)"
    )
    return False


def _about(config: Config, cut: str) -> dict[str, Any]:
    backbone = find(config.model.backbone)
    return {
        "backbone": backbone.name,
        "options": config.model.options,
        "preprocessing": f"{backbone.preprocessing}, {PREPROCESSING}",
        "cut": cut,
    }
