"""Shared by all tests: a quiet TensorFlow, real data where it is, tiny runs made once."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ["CUDA_VISIBLE_DEVICES"] = "-1"

import hypothesis
import pytest

from tests.images import class_folders

# The same examples on every run, on machines of any speed.
hypothesis.settings.register_profile("tlk", deadline=None, derandomize=True)
hypothesis.settings.load_profile("tlk")


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory):
    """Keep data sets that are unpacked once out of the user's own cache."""
    os.environ["TLK_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three class folders of 20 tiny images each, whose colours tell the classes apart."""
    folder = tmp_path_factory.mktemp("data") / "photos"
    class_folders(folder, classes=3, per_class=20)
    return folder


@pytest.fixture(scope="session")
def alive(photos, tmp_path_factory) -> Path:
    """Weights of a small random backbone whose features are not all zero."""
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
    file = tmp_path_factory.mktemp("weights") / "alive.weights.h5"
    backbone_of(enliven(classifier, pixels)).save_weights(file)
    return file


@pytest.fixture(scope="session")
def tiny(alive):
    """Settings of a run that takes seconds: a small network, two epochs."""
    from tl_keras.config.loading import load_config

    return load_config(
        overrides={
            "data.image_size": 32,
            "model.backbone": "MobileNet",
            "model.options": {"alpha": 0.25},
            "model.weights": str(alive),
            "head.dropout": 0.2,
            "train.epochs": 2,
            "train.batch_size": 16,
            "finetune.epochs": 1,
            "finetune.unfreeze": "last:0.3",
        }
    )


@pytest.fixture(scope="session")
def finished(photos, tiny, tmp_path_factory) -> Path:
    """A finished run on `photos`; tests read it, and copy it before they change it."""
    from tl_keras.workflows.fit import fit

    return fit(photos, tiny, name="finished", runs_dir=tmp_path_factory.mktemp("runs")).run


@pytest.fixture(scope="session")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, dict[str, Path]]:
    """A small classifier, exported in every form: form -> path; the files are not to be changed."""
    from tests.exporting.classifiers import ship

    return ship(tmp_path_factory.mktemp("shipped"))
