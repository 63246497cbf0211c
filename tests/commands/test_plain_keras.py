"""The model files of a run need Keras and nothing of ours."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.commands import plain_keras
from tests.images import CLASS_COLORS, noisy_image

NETWORK = ("--backbone", "MobileNet", "--backbone-option", "alpha=0.25", "--image-size", "32",
           "--batch-size", "16", "--set", "head.dropout=0.2")  # fmt: skip


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    """Images that need no resizing: what the model gets is what is in the file."""
    folder = tmp_path_factory.mktemp("pictures")
    for number, color in enumerate(list(CLASS_COLORS.values())[:3]):
        for index in range(2):
            noisy_image(900 + 10 * number + index, (32, 32), color).save(folder / f"{number}_{index}.png")
    return folder


def models_of(run: Path) -> list[Path]:
    return [run / "model.keras", *sorted(run.glob("phases/*/model.keras"))]


def answers_without_us(models: list[Path], pictures: Path, folder: Path) -> list[np.ndarray]:
    """Return the probabilities [images, classes] of each model, as Keras alone computes them."""
    from PIL import Image

    images = np.stack([np.asarray(Image.open(file).convert("RGB")) for file in sorted(pictures.iterdir())])
    np.save(folder / "images.npy", images)
    script = shutil.copy(plain_keras.__file__, folder / "alone.py")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, script, folder / "images.npy", *models]
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, cwd=folder, env=environment
    )
    assert done.returncode == 0, done.stderr.strip().splitlines()[-1]
    return [np.array(found) for found in json.loads(done.stdout)]


def our_answers(tlk, model: Path, pictures: Path, labels: list[str]) -> np.ndarray:
    done = tlk("predict", model, pictures, "--json", "--top", len(labels))
    assert done.code == 0, done.err
    answers = sorted(map(json.loads, done.out.splitlines()), key=lambda answer: answer["path"])
    scores = [{one["label"]: one["score"] for one in answer["classes"]} for answer in answers]
    return np.array([[score[label] for label in labels] for score in scores])


def check(tlk, run: Path, pictures: Path, folder: Path, phases: int) -> None:
    models, labels = models_of(run), (run / "labels.txt").read_text().split()
    assert len(models) == 1 + phases
    for model, found in zip(models, answers_without_us(models, pictures, folder), strict=True):
        np.testing.assert_allclose(found, our_answers(tlk, model, pictures, labels), atol=1e-5)


def test_after_fit(tlk, run, pictures, tmp_path):
    check(tlk, run, pictures, tmp_path, 1)


HARDLY_TRAINED, WELL_TRAINED = ("--epochs", 1, "--learning-rate", "1e-5"), ("--epochs", 10)
ALL = ("--unfreeze", "all", "--epochs", 4, "--learning-rate", "1e-3")
TOP = ("--unfreeze", "blocks:1", "--epochs", 4, "--learning-rate", "1e-3")
HARMFUL = ("--unfreeze", "all", "--epochs", 1, "--learning-rate", 3)


@pytest.mark.parametrize(
    ("fit", "finetune", "kept"),
    [(HARDLY_TRAINED, ALL, True), (HARDLY_TRAINED, TOP, True), (WELL_TRAINED, HARMFUL, False)],
    ids=["kept", "kept, above a boundary", "not kept"],
)
def test_after_unfreeze_and_finetune(tlk, photos, pictures, tmp_path, fit, finetune, kept):
    network = ("--backbone", "Tiny", "--set", "head.dropout=0", "--name", "run", "--runs-dir", tmp_path)
    assert tlk("fit", photos, *network, *fit).code == 0
    done = tlk("unfreeze-and-finetune", tmp_path / "run", *finetune, "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["kept"] is kept
    check(tlk, tmp_path / "run", pictures, tmp_path, 2)


def test_after_a_fit_of_all_at_once(tlk, photos, pictures, alive, tmp_path):
    options = ("--weights", alive, "--transfer", "full", "--set", "finetune.epochs=1")
    done = tlk("fit", photos, *NETWORK, *options, "--name", "run", "--runs-dir", tmp_path)
    assert done.code == 0, done.err
    check(tlk, tmp_path / "run", pictures, tmp_path, 1)


def test_after_a_fit_from_scratch(tlk, photos, pictures, tmp_path):
    done = tlk("fit", photos, *NETWORK, "--transfer", "scratch", "--epochs", 1, "--name", "run",
               "--runs-dir", tmp_path)  # fmt: skip
    assert done.code == 0, done.err
    check(tlk, tmp_path / "run", pictures, tmp_path, 1)


def test_after_pretrain(tlk, photos, pictures, tmp_path):
    done = tlk("pretrain", photos, *NETWORK, "--epochs", 1, "--name", "run", "--runs-dir", tmp_path)
    assert done.code == 0, done.err
    check(tlk, tmp_path / "run", pictures, tmp_path, 1)
