"""Which part of a run's network is frozen, and whether there is room to store what it makes of each image."""

from __future__ import annotations

from typing import Any

import keras

from tl_keras.config import Config
from tl_keras.features.frozen import FrozenPart, say_no_room
from tl_keras.geometry import Geometry
from tl_keras.models.boundary import Cut


def frozen_trunk(trunk: keras.Model, config: Config, geometry: Geometry) -> FrozenPart:
    """Return everything below the head: the network of `build_trunk` or `trunk_of`."""
    return FrozenPart(trunk, _about(config, f"pooling {config.model.pooling}"), geometry, config.runtime)


def make_room(frozen: FrozenPart, rows: int) -> None:
    """Let features stay in memory where the disk has no room for so many rows."""
    if not frozen.make_room(rows):
        say_no_room(frozen, rows, "they are kept in memory, for this time only")
        frozen.keep_in_memory()


def frozen_below(cut: Cut, config: Config, geometry: Geometry, rows: int) -> FrozenPart | None:
    """Return everything below the freeze boundary, or None where there is no room for so many rows."""
    frozen = FrozenPart(cut.lower, _about(config, cut.layer), geometry, config.runtime)
    if frozen.make_room(rows):
        return frozen
    say_no_room(frozen, rows, "whole images go through the whole network in every epoch")
    return None


def _about(config: Config, cut: str) -> dict[str, Any]:
    return {
        "backbone": config.model.backbone,
        "options": config.model.options,
        "cut": cut,
    }
