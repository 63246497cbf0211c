"""A small network, and images for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.images import class_folders
from tl_keras.core.geometry import Geometry
from tl_keras.data.example import Example

GEOMETRY = Geometry(32, 32)


@pytest.fixture(scope="session")
def trunk(alive):
    """A small network without its head, whose features are not all zero."""
    from tl_keras.config.schema import ModelConfig
    from tl_keras.models.classifier import build_trunk

    model = ModelConfig(backbone="MobileNet", options={"alpha": 0.25}, weights=str(alive))
    return build_trunk(model, 32)


@pytest.fixture(scope="session")
def extractor(trunk):
    from tl_keras.features.extractor import FeatureExtractor

    return FeatureExtractor(trunk, {"network": "test"}, "float32")


@pytest.fixture(scope="session")
def examples(tmp_path_factory) -> list[Example]:
    """Seventy images: more than two batches, and not a multiple of one."""
    folder = class_folders(tmp_path_factory.mktemp("many"), classes=2, per_class=35)
    return [Example(str(path), path.parent.name) for path in sorted(folder.rglob("*.jpg"))]


def store_of(extractor, root: Path | None):
    from tl_keras.features.store import open_store

    return open_store(root, extractor.about, extractor.shape, extractor.dtype)


def nothing(_done: int) -> None:
    """Stand in for a progress bar."""
