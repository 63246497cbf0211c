"""What is stored keeps its place, and room is made for no more than what is missing."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from tests.features.conftest import GEOMETRY
from tl_keras.config.schema import AugmentConfig, Config, RuntimeConfig
from tl_keras.core.geometry import Geometry
from tl_keras.data.decode_examples import check
from tl_keras.distributed.collectives import active
from tl_keras.features import cached_backbone
from tl_keras.features.budget import size_of
from tl_keras.features.cached_backbone import CachedBackbone, cached_below, cached_trunk
from tl_keras.features.store import runs_of
from tl_keras.models.freeze_boundary import BoundarySplit

FLIPS = AugmentConfig(flip="horizontal", views=2)


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    """The folder of all stores, the test's own."""
    monkeypatch.setenv("TLK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "features"


@pytest.fixture(scope="module")
def checked(examples):
    return check(examples, GEOMETRY)


def cached(trunk, augment: AugmentConfig = FLIPS, name: str = "x", **runtime) -> CachedBackbone:
    return CachedBackbone(trunk, {"backbone": name}, GEOMETRY, augment, RuntimeConfig(**runtime))


def fixed_network() -> keras.Model:
    """A network whose weights are the same everywhere."""
    pixels = keras.Input((8, 8, 3), dtype="uint8")
    scaled = keras.layers.Rescaling(1 / 255, dtype="float32")(pixels)
    convolved = keras.layers.Conv2D(2, 1, dtype="float32")(scaled)
    model = keras.Model(pixels, keras.layers.GlobalAveragePooling2D(dtype="float32")(convolved))
    model.set_weights([np.arange(6, dtype=np.float32).reshape(1, 1, 3, 2), np.ones(2, np.float32)])
    return model


def test_what_was_stored_by_earlier_versions_is_found(checked, root, monkeypatch):
    """The names of folders, as of the first release; versions of other packages are part of them."""
    monkeypatch.setattr(keras, "__version__", "3.0.0")
    monkeypatch.setattr(cached_backbone, "DECODING", "1, Pillow 13.0.0")
    config = Config.model_validate(
        {
            "model": {"backbone": "MobileNet", "options": {"alpha": 0.25}, "weights": "none"},
            "augment": {"flip": "horizontal", "rotation": 10, "views": 2},
            "runtime": {"seed": 5},
        }
    )
    model, geometry = fixed_network(), Geometry(8, 8, "crop", 0.875)
    trunk = cached_trunk(model, config, geometry)
    trunk.compute(checked[:2])
    trunk.compute_views(checked[:2])
    below = cached_below(BoundarySplit("conv", model, model), config, geometry)
    assert below is not None
    below.compute(checked[:2])
    assert {file.parent.name for file in root.glob("*/*.npy")} == {
        "b854e106d33cf0d5bdc198a6",
        "8f293ddc765b252fbed174fe",
        "79d43ba62afee38174a76519",
        "2a6697018a91ce9dff01a932",
    }


def test_nothing_is_reserved_for_what_is_stored(trunk, checked, root):
    first = cached(trunk)
    assert first.reserve(checked, views_of=checked[:20])
    first.compute(checked)
    first.compute_views(checked[:20])
    stored = size_of(root)
    before = {file: file.stat().st_mtime_ns for file in root.rglob("*.npy")}
    assert len({file.parent for file in before}) == 3
    again = cached(trunk, store_gb=stored / 2**30)
    assert again.reserve(checked, views_of=checked[:20])
    again.compute(checked)
    again.compute_views(checked[:20])
    assert {file: file.stat().st_mtime_ns for file in root.rglob("*.npy")} == before


def test_own_stores_never_make_room(trunk, checked, root, capfd):
    first = cached(trunk)
    first.compute(checked[:40])
    first.compute_views(checked[:40])
    kept = set(root.rglob("*.npy"))
    again = cached(trunk, store_gb=size_of(root) / 2**30)
    assert not again.reserve(checked, views_of=checked)
    assert "no room to store 0.1 MiB of activations within runtime.store_gb" in capfd.readouterr().err
    again.compute(checked)  # in memory
    assert set(root.rglob("*.npy")) == kept


def test_stores_of_others_make_room(trunk, checked, root):
    other = cached(trunk, AugmentConfig(), "other")
    other.compute(checked)
    mine = cached(trunk, store_gb=1.2 * size_of(root) / 2**30)
    assert mine.reserve(checked[:30], views_of=checked[:10])
    assert other.stored.folder and not other.stored.folder.exists()


@pytest.mark.usefixtures("root")
def test_where_one_worker_has_no_room_none_stores(trunk, checked, monkeypatch, capfd):
    asked = []
    monkeypatch.setattr(cached_backbone, "any_of_workers", lambda yes: asked.append(yes) or True)
    assert not cached(trunk).reserve(checked)
    assert asked == [False] and "another worker has no room to store" in capfd.readouterr().err


def test_only_the_chief_remembers_users(trunk, checked, root, monkeypatch):
    part = cached(trunk, AugmentConfig())
    part.compute(checked[:3])
    monkeypatch.setattr(cached_backbone, "is_chief", lambda: False)
    part.remember_user(root / "worker")
    monkeypatch.undo()
    assert not active.synchronized
    assert part.stored.folder is not None
    part.remember_user(Path("/runs/a"))
    assert runs_of(part.stored.folder) == ["/runs/a"]
