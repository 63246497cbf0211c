"""`cache`: the features that are stored on this machine."""

from __future__ import annotations

from tl_keras.features.budget import StoredFeatures, clear, features_dir, stored_features


def cache() -> list[StoredFeatures]:
    """Return what is stored, the most recently used first."""
    return stored_features(features_dir())


def clear_cache() -> float:
    """Remove all stored features, and return their size, MB. They are computed again when they are needed."""
    return clear(features_dir())
