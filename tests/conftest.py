"""Shared by all tests: a quiet TensorFlow, real data where it is, tiny runs made once."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import hypothesis
import pytest
from filelock import FileLock

from tests.images import class_folders
from tests.lanes import needs_tensorflow

# The same examples on every run, on machines of any speed.
hypothesis.settings.register_profile("tlk", deadline=None, derandomize=True)
hypothesis.settings.load_profile("tlk")


WITHOUT_TENSORFLOW = "not tf"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out, unread, what needs TensorFlow, where tests without it are asked for."""
    asked_for = WITHOUT_TENSORFLOW in config.getoption("markexpr")
    return (
        asked_for and collection_path.name.startswith("test_") and needs_tensorflow(collection_path)
    ) or None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if needs_tensorflow(item.path):
            item.add_marker("tf")


@pytest.fixture(autouse=True)
def tensorflow_where_it_is_expected(request: pytest.FixtureRequest):
    """Fail what loads TensorFlow in the lane without it: tests/lanes.py has not seen why."""
    loaded = "tensorflow" in sys.modules
    yield
    assert loaded or request.node.get_closest_marker("tf") or "tensorflow" not in sys.modules


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory):
    """Keep data sets that are unpacked once out of the user's own cache."""
    os.environ["TLK_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], object]], Path]:
    """Return what makes a folder by name, once for all workers of this run of the suite."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def make(name: str, into: Callable[[Path], object]) -> Path:
        folder, done = shared / "once" / name, shared / "once" / f"{name}.done"
        folder.parent.mkdir(exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)  # another worker may have failed half-way
                folder.mkdir()
                into(folder)
                done.touch()
        return folder

    return make


@pytest.fixture(scope="session")
def photos(once) -> Path:
    """Three class folders of 20 tiny images each, whose colors tell the classes apart."""
    return once("photos", lambda folder: class_folders(folder, classes=3, per_class=20))


@pytest.fixture(scope="session")
def alive(photos, once) -> Path:
    """Weights of a small random backbone whose features are not all zero."""

    def save(folder: Path) -> None:
        import keras
        import numpy as np

        from tests.models import enliven
        from tl_keras.config.schema import HeadConfig, ModelConfig
        from tl_keras.core.geometry import Geometry
        from tl_keras.data.images.decode import decode
        from tl_keras.models.classifier import backbone_of, build_classifier

        keras.utils.set_random_seed(0)
        model = ModelConfig(backbone="MobileNet", options={"alpha": 0.25}, weights="none")
        classifier = build_classifier(model, HeadConfig(), image_size=32, classes=3, task="multiclass")
        pixels = np.stack([decode(path, Geometry(32, 32)) for path in sorted(photos.rglob("*.jpg"))])
        backbone_of(enliven(classifier, pixels)).save_weights(folder / "alive.weights.h5")

    return once("weights", save) / "alive.weights.h5"


@pytest.fixture(scope="session")
def tiny():
    """Settings of a run that takes seconds: a small network, two epochs."""
    from tl_keras.config.loading import load_config

    return load_config(
        overrides={
            "data.image_size": 32,
            "model.backbone": "Tiny",
            "head.dropout": 0.2,
            "train.epochs": 2,
            "train.batch_size": 16,
            "finetune.epochs": 1,
            "finetune.unfreeze": "last:0.3",
        }
    )


@pytest.fixture(scope="session")
def finished(photos, tiny, once) -> Path:
    """A finished run on `photos`; tests read it, and copy it before they change it."""

    def train(folder: Path) -> None:
        from tl_keras.workflows.fit import fit

        fit(photos, tiny, name="finished", runs_dir=folder)

    return once("runs", train) / "finished"


@pytest.fixture(scope="session")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, dict[str, Path]]:
    """A small classifier, exported in every form: form -> path; the files are not to be changed."""
    from tests.exporting.classifiers import ship

    return ship(tmp_path_factory.mktemp("shipped"))
