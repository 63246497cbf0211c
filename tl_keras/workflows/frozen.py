"""Which part of a run's network is frozen, and whether there is room to store what it makes of each image."""

from __future__ import annotations

from typing import Any

import keras

from tl_keras.config import Config
from tl_keras.features.frozen import FrozenPart, say_no_room
from tl_keras.geometry import Geometry
from tl_keras.models.boundary import Cut


def frozen_trunk(
    trunk: keras.Model, config: Config, geometry: Geometry, images: int, *, views: int
) -> FrozenPart:
    """Return everything below the head; its features stay in memory where the disk has no room for them.

    Args:
        trunk: Of `build_trunk` or `trunk_of`.
        config: All settings.
        geometry: The model's input size.
        images: How many images will be stored at most.
        views: And changed copies of each.
    """
    frozen = FrozenPart(trunk, _about(config, f"pooling {config.model.pooling}"), geometry, config.runtime)
    rows = images * (1 + views)
    if not frozen.make_room(rows):
        say_no_room(frozen, rows, "they are kept in memory, for this time only")
        frozen.keep_in_memory()
    return frozen


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
