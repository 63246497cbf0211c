"""Every shipped YAML is loaded, says how it is run, and trains an epoch on tiny images."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tl_keras.config.loading import load_config
from tl_keras.workflows.fit import fit
from tl_keras.workflows.pretrain import pretrain

CONFIGS = sorted((Path(__file__).resolve().parents[1] / "configs").glob("*.yaml"))
NAMES = {
    "quickstart", "ants_bees", "flowers_resnet50", "cats_vs_dogs_inception_v3", "inception_v3_dense256_sgd",
    "resnet50_step_decay", "resnet50_cifar10_mlp_head", "resnet50_linear_head", "pretrain_cifar10",
    "resnet50_layerwise_lr",
}  # fmt: skip


def test_all_are_there():
    assert {file.stem for file in CONFIGS} == NAMES


@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.stem)
def test_it_opens_with_how_it_is_run(file):
    text = file.read_text(encoding="utf-8")
    assert all(f"# {word}:" in text for word in ("Runs", "Needs", "Time", "Result"))
    command = shlex.split(text.splitlines()[0].split(":", 1)[1].split("(")[0])
    verb = "pretrain" if file.stem.startswith("pretrain") else "fit"
    assert command[:2] == ["tlk", verb] and f"configs/{file.name}" in command
    config = load_config(file)
    has_data = command[2] != "--config"
    assert has_data == (config.data.source is None), "DATA is given exactly when the file has none"


@pytest.mark.slow
@pytest.mark.parametrize("file", CONFIGS, ids=lambda file: file.stem)
def test_it_trains_an_epoch(file, photos, tmp_path):
    recipe = load_config(file)
    smallest = 75 if recipe.model.backbone == "InceptionV3" else 32
    config = load_config(
        file,
        {
            "model.weights": "none",
            "train.epochs": 1,
            "finetune.epochs": 1,
            "data.image_size": smallest,
            "data.tfds_splits": {},
        },
    )
    work = pretrain if file.stem.startswith("pretrain") else fit
    made = work(photos, config, runs_dir=tmp_path)
    assert made.phase.epochs == 1 and made.report.evaluation.images > 0


ROOT = Path(__file__).resolve().parents[1]
WITH_COMMANDS = [
    ROOT / "README.md",
    *(ROOT / "configs").iterdir(),
    *(ROOT / "tl_keras" / "cli").rglob("*.py"),
]


def test_settings_in_examples_are_safe_in_every_shell():
    """Brackets and braces that are not quoted are file names to zsh, and several words to bash."""
    examples = [
        f"{file.relative_to(ROOT)}: {found[0]}"
        for file in WITH_COMMANDS
        for found in re.finditer(
            r"--(?:set|unfreeze) [^\s'\"`]*[\[\]{}*?;&|<>()$][^\s`]*", file.read_text("utf-8")
        )
    ]
    assert examples == []


def test_the_recipes_say_what_the_source_documents_say():
    step = load_config(CONFIGS[0].parent / "resnet50_step_decay.yaml")
    assert (step.data.resize, step.data.crop_fraction, step.data.image_size) == ("crop", 224 / 256, 224)
    assert (step.train.optimizer, step.train.learning_rate, step.train.momentum) == ("sgd", 1e-3, 0.9)
    assert (step.train.schedule.kind, step.train.schedule.every, step.train.schedule.factor) == (
        "step",
        7,
        0.1,
    )
    assert step.train.epochs == 25 and step.train.early_stopping == 0
    inception = load_config(CONFIGS[0].parent / "inception_v3_dense256_sgd.yaml")
    assert (inception.head.hidden, inception.train.learning_rate) == ((256,), 1e-4)
    mlp = load_config(CONFIGS[0].parent / "resnet50_cifar10_mlp_head.yaml")
    assert (mlp.head.hidden, mlp.head.dropout, mlp.train.epochs) == ((256, 128), 0.5, 20)
    linear = load_config(CONFIGS[0].parent / "resnet50_linear_head.yaml")
    assert (linear.head.hidden, linear.train.optimizer, linear.train.epochs) == ((), "adam", 10)
    layerwise = load_config(CONFIGS[0].parent / "resnet50_layerwise_lr.yaml")
    phase = layerwise.finetune
    assert (layerwise.transfer, phase.unfreeze, phase.optimizer, phase.momentum) == (
        "full",
        "all",
        "sgd",
        0.9,
    )
    assert phase.layer_lr == {
        "conv1": 1e-4, "conv2": 1e-4, "conv3": 5e-4, "conv4": 1e-3, "conv5": 1e-3, "head": 1e-2,
    }  # fmt: skip
