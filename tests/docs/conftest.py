"""A folder such as the pages speak of, and pretrained weights that need no download."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.commands.tlk import Tlk
from tests.images import noisy_image

CLASSES = {"daisy": (235, 230, 210), "rose": (200, 40, 60), "tulip": (220, 120, 190)}
PER_CLASS = 10
SIZE = (64, 64)
NETWORKS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5": ("resnet50", "ResNet50", {}),
    "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224_no_top.h5": (
        "mobilenet_v2", "MobileNetV2", {"alpha": 0.35},
    ),
}  # fmt: skip
"""What `keras.applications` downloads for the pages' networks: file -> its module, constructor, options."""
GET_FILE = "keras.src.utils.file_utils.get_file"
FLOWERS = "fit photos/ --name flowers --backbone MobileNetV2 --backbone-option alpha=0.35"
"""The command that makes the run of the pages' examples, as docs/index.md has it."""


@pytest.fixture
def tlk(monkeypatch, capfd) -> Tlk:
    return Tlk(monkeypatch, capfd)


@pytest.fixture(scope="session")
def downloads(tmp_path_factory) -> Callable[..., str]:
    """Stand for the network: what Keras's `get_file` returns without asking anyone."""

    @functools.cache
    def made(fname: str) -> Path:
        return _weights(tmp_path_factory.mktemp("weights"), *NETWORKS[fname])

    return lambda fname, *_, **__: str(made(fname))


def _weights(folder: Path, module: str, network: str, options: dict[str, Any]) -> Path:
    """Write random weights whose features tell images apart; without statistics they would fade away."""
    import keras

    keras.utils.set_random_seed(0)
    applications = getattr(keras.applications, module)
    model = getattr(applications, network)(include_top=False, weights=None, **options)
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    for norm in norms:
        norm.momentum = 0.0
        if norm.name.endswith("_3_bn"):  # of ResNet: random branches that are as strong as the trunk explode
            norm.gamma.assign(0.1 * norm.gamma)
    pixels = np.stack([noisy_image(seed, (224, 224)) for seed in range(8)]).astype(np.float32)
    model(applications.preprocess_input(pixels), training=True)
    file = folder / f"{network}.weights.h5"
    model.save_weights(file)
    return file


@pytest.fixture(scope="session")
def prepared(tmp_path_factory) -> Path:
    """The files that the pages speak of, but for runs."""
    folder = tmp_path_factory.mktemp("pages")
    _class_folders(folder / "photos", PER_CLASS, seed=0)
    _class_folders(folder / "many_photos", 2 * PER_CLASS, seed=10_000)
    _class_folders(folder / "more_photos", 2, seed=20_000)
    for number, split in enumerate(("train", "val", "test"), 3):
        _class_folders(folder / "split_photos" / split, 4, seed=10_000 * number)
    shutil.copytree(folder / "more_photos" / "rose", folder / "new_photos")
    shutil.copy(folder / "new_photos" / "0.jpg", folder / "photo.jpg")
    photos = sorted((folder / "photos").rglob("*.jpg"))
    rows = [f"{photo.relative_to(folder)},{photo.parent.name}" for photo in photos]
    (folder / "labels.csv").write_text("\n".join(["path,label", *rows, ""]))
    several = [f"{row}|in bloom" if number % 2 else row for number, row in enumerate(rows)]
    (folder / "several_labels.csv").write_text("\n".join(["path,label", *several, ""]))
    _patients(folder / "scans")
    return folder


def _class_folders(root: Path, per_class: int, seed: int) -> None:
    for number, (name, color) in enumerate(CLASSES.items()):
        (root / name).mkdir(parents=True)
        for index in range(per_class):
            image = noisy_image(seed + 1000 * number + index, SIZE, color)
            image.save(root / name / f"{index}.jpg", quality=90)


def _patients(root: Path) -> None:
    """Write scans of twelve patients, two of each, in two classes."""
    for patient in range(12):
        folder = root / ("healthy" if patient % 2 else "ill")
        folder.mkdir(parents=True, exist_ok=True)
        for scan in range(2):
            color = (90, 90, 90) if patient % 2 else (170, 170, 170)
            noisy_image(50_000 + 10 * patient + scan, SIZE, color).save(
                folder / f"patient_{patient}_{scan}.png"
            )


@pytest.fixture(scope="session")
def flowers(prepared, downloads, tmp_path_factory) -> Path:
    """The run of the examples in docs/, made by the command that docs/index.md names."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(GET_FILE, downloads)
        patch.chdir(prepared)
        from tl_keras.config.loading import load_config
        from tl_keras.workflows.fit import fit

        network = {"model.backbone": "MobileNetV2", "model.options": {"alpha": 0.35}}
        runs = tmp_path_factory.mktemp("runs")
        return fit("photos/", load_config(overrides=network), name="flowers", runs_dir=runs).run


@pytest.fixture
def workplace(prepared, downloads, tmp_path, monkeypatch) -> Path:
    """A folder of a page's own to run its commands in."""
    folder = tmp_path / "here"
    shutil.copytree(prepared, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(GET_FILE, downloads)
    return folder
