"""The model files of a run need Keras and nothing of ours."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tl_keras
from tests.commands import plain_keras
from tests.images import CLASS_COLORS, noisy_image
from tl_keras.config.loading import load_config

HARDLY_TRAINED = {"train.epochs": 1, "train.learning_rate": 1e-5}
HELPFUL = {"finetune.epochs": 2, "finetune.learning_rate": 1e-3}
HARMFUL = {"finetune.epochs": 1, "finetune.learning_rate": 3}
ALL, TOP = {"finetune.unfreeze": "all"}, {"finetune.unfreeze": "blocks:1"}
MOBILENET = {"model.backbone": "MobileNet", "model.options": {"alpha": 0.25}, "data.image_size": 32}
MADE: dict[str, tuple[dict[str, Any], dict[str, Any] | None, bool | None]] = {
    "fit": (HARDLY_TRAINED, None, None),
    "fine-tuned": (HARDLY_TRAINED, HELPFUL | ALL, True),
    "fine-tuned above a boundary": (HARDLY_TRAINED, HELPFUL | TOP, True),
    "fine-tuned for nothing": ({"train.epochs": 10}, HARMFUL | ALL, False),
    "fit of all at once": ({"transfer": "full", "finetune.epochs": 1}, None, None),
    "fit from scratch": (MOBILENET | {"transfer": "scratch", "train.epochs": 1}, None, None),
    "pretrained": ({"model.weights": "none", "train.epochs": 1}, None, None),
}
"""Run -> settings of the first phase, of the second if there is one, and whether that is to be kept."""


def make_runs(photos: Path, folder: Path) -> None:
    for name, (first, second, kept) in MADE.items():
        config = load_config(overrides={"model.backbone": "Tiny", "head.dropout": 0} | first)
        start = tl_keras.pretrain if name == "pretrained" else tl_keras.fit
        run = start(photos, config, name=name, runs_dir=folder).run
        if second is not None:
            tuned = tl_keras.unfreeze_and_finetune(run, load_config(None, second, tl_keras.run_config(run)))
            assert tuned.kept is kept


def save_pictures(folder: Path) -> list[Path]:
    """Write images that need no resizing: what the model gets is what is in the file."""
    for number, color in enumerate(list(CLASS_COLORS.values())[:3]):
        for index in range(2):
            noisy_image(900 + 10 * number + index, (32, 32), color).save(folder / f"{number}_{index}.png")
    return sorted(folder.glob("*.png"))


def answer_without_us(models: list[Path], pictures: list[Path], folder: Path) -> None:
    """Write the probabilities [images, classes] of each model, as Keras alone computes them."""
    np.save(folder / "images.npy", [np.asarray(Image.open(file).convert("RGB")) for file in pictures])
    script = shutil.copy(plain_keras.__file__, folder / "alone.py")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, script, folder / "images.npy", *models]
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, cwd=folder, env=environment
    )
    assert done.returncode == 0, done.stderr.strip().splitlines()[-1]
    answers = dict(zip(map(str, models), json.loads(done.stdout), strict=True))
    (folder / "answers.json").write_text(json.dumps(answers))


def models_of(run: Path) -> list[Path]:
    return [run / "model.keras", *sorted(run.glob("phases/*/model.keras"))]


@pytest.fixture(scope="session")
def made(once, photos) -> Path:
    """A folder with all the runs, pictures, and what Keras alone answers: one process for all models."""

    def make(folder: Path) -> None:
        make_runs(photos, folder)
        models = [model for name in MADE for model in models_of(folder / name)]
        answer_without_us(models, save_pictures(folder), folder)

    return once("plain_keras", make)


@pytest.mark.parametrize("name", MADE)
def test_keras_alone_answers_as_we_do(made, name):
    models, answers = models_of(made / name), json.loads((made / "answers.json").read_text())
    assert len(models) == (2 if MADE[name][1] is None else 3)
    pictures = sorted(made.glob("*.png"))
    for model in models:
        ours = list(tl_keras.predict(model, map(str, pictures), top=3))
        labels = (made / name / "labels.txt").read_text().split()
        scores = [dict(zip(one.labels, one.scores, strict=True)) for one in ours]
        expected = [[score[label] for label in labels] for score in scores]
        np.testing.assert_allclose(answers[str(model)], expected, atol=1e-5)
