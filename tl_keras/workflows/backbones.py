"""`backbones`: the networks to choose from."""

from __future__ import annotations

from tl_keras.models.backbones import BACKBONES, Backbone


def backbones() -> list[Backbone]:
    """Return the table of backbones, in its own order: grouped by family."""
    return list(BACKBONES.values())
