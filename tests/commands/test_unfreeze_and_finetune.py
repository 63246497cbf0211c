"""`tlk unfreeze-and-finetune`: what moves, what must not, and when the model is replaced."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest

from tl_keras.config.loading import load_config
from tl_keras.workflows.fit import fit


def layers_of(run: Path) -> dict[str, list[np.ndarray]]:
    model = keras.models.load_model(run / "model.keras", compile=False)
    head = [layer for layer in model.layers if layer.name != "backbone"]
    return {layer.name: layer.get_weights() for layer in [*model.get_layer("backbone").layers, *head]}


def changed(before: dict[str, list[np.ndarray]], after: dict[str, list[np.ndarray]]) -> set[str]:
    return {
        name
        for name, weights in before.items()
        if any((a != b).any() for a, b in zip(weights, after[name], strict=True))
    }


def keep_whatever_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tl_keras.phases.finetune._better", lambda *_: True)


def test_only_the_unfrozen_kernels_and_the_head_move(tlk, run, monkeypatch):
    keep_whatever_comes(monkeypatch)
    before = layers_of(run)
    done = tlk("unfreeze-and-finetune", run, "--unfreeze", "from:block3", "--learning-rate", "0.01")
    assert done.code == 0, done.err
    assert "trains   block3" in done.err
    moved = changed(before, layers_of(run))
    assert moved == {"block3_conv1", "block3_conv2", "probabilities"}


def test_batchnorm_affine_moves_gamma_and_beta_only(tlk, run, monkeypatch):
    keep_whatever_comes(monkeypatch)
    before = layers_of(run)
    done = tlk("unfreeze-and-finetune", run, "--unfreeze", "from:block3", "--batchnorm", "affine",
               "--learning-rate", "0.01")  # fmt: skip
    assert done.code == 0, done.err
    after = layers_of(run)
    gamma, beta, mean, variance = zip(before["block3_conv2_bn"], after["block3_conv2_bn"], strict=True)
    assert (gamma[0] != gamma[1]).any() and (beta[0] != beta[1]).any()
    assert (mean[0] == mean[1]).all() and (variance[0] == variance[1]).all()
    assert "block2_conv2_bn" not in changed(before, after)


def test_a_phase_that_does_not_help_changes_nothing_but_is_kept_on_record(tlk, photos, tmp_path):
    config = load_config(overrides={"model.backbone": "Tiny", "train.epochs": 10})
    made = fit(photos, config, name="good", runs_dir=tmp_path)
    assert made.phase.val_accuracy > 0.9
    run = made.run
    before = (run / "model.keras").read_bytes(), (run / "metrics.json").read_bytes()
    done = tlk("unfreeze-and-finetune", run, "--unfreeze", "all", "--learning-rate", "3", "--epochs", "1")
    assert done.code == 0, done.err
    assert "did not help on val" in done.out
    assert ((run / "model.keras").read_bytes(), (run / "metrics.json").read_bytes()) == before
    decision = json.loads((run / "phases" / "2-finetune" / "decision.json").read_text())
    assert decision["kept"] is False
    assert load_config(run / "config.yaml").finetune == config.finetune


def test_twice_is_two_phases_and_the_last_kept_one_counts(tlk, run, monkeypatch):
    keep_whatever_comes(monkeypatch)
    first = tlk("unfreeze-and-finetune", run, "--json")
    assert first.code == 0 and json.loads(first.out)["kept"] is True
    assert json.loads(first.out)["after"]["phase"] == "2-finetune"
    assert tlk("unfreeze-and-finetune", run).code == 0
    assert {path.name for path in (run / "phases").iterdir()} == {"1-head", "2-finetune", "3-finetune"}
    assert "3-finetune" in tlk("runs", "--runs-dir", run.parent).out
    assert "(test" in tlk("runs", "--runs-dir", run.parent).out


def test_the_same_seed_gives_the_same_weights_and_the_config_still_repeats_fit(tlk, run, monkeypatch):
    keep_whatever_comes(monkeypatch)
    twin = shutil.copytree(run, run.parent / "twin")
    made_with = load_config(run / "config.yaml")
    for folder in (run, twin):
        done = tlk("unfreeze-and-finetune", folder, "--unfreeze", "all", "--seed", 3,
                   "--set", "augment.flip=horizontal")  # fmt: skip
        assert done.code == 0, done.err
    assert changed(layers_of(run), layers_of(twin)) == set()
    now = load_config(run / "config.yaml")
    assert now.finetune.unfreeze == "all"
    assert now.model_copy(update={"finetune": made_with.finetune}) == made_with


def test_what_is_asked_for_takes_the_place_of_the_stages_of_an_earlier_phase(tlk, run, monkeypatch):
    keep_whatever_comes(monkeypatch)
    stages = "finetune.stages=[{epochs: 1, unfreeze: none}, {epochs: 1, unfreeze: 'blocks:1'}]"
    assert tlk("unfreeze-and-finetune", run, "--set", stages).code == 0
    assert len(load_config(run / "config.yaml").finetune.stages) == 2
    again = tlk("unfreeze-and-finetune", run, "--unfreeze", "blocks:2", "--epochs", 1)
    assert again.code == 0 and "unfrozen: blocks:2" in again.err and "none" not in again.err
    both = tlk("unfreeze-and-finetune", run, "--unfreeze", "all", "--set", stages)
    assert both.code == 1 and "leave out finetune.unfreeze" in both.err


def test_adapting_says_what_it_did_on_val_and_changes_only_statistics_below(tlk, run, monkeypatch):
    keep_whatever_comes(monkeypatch)
    before = layers_of(run)
    done = tlk("unfreeze-and-finetune", run, "--batchnorm", "adapt", "--unfreeze", "none")
    assert done.code == 0, done.err
    assert "BatchNorm as it is: val accuracy" in done.err and "statistics of 6 BatchNorm layers" in done.err
    assert "with the statistics of the training images: val accuracy" in done.err
    moved = changed(before, layers_of(run))
    assert moved == {name for name in before if name.endswith("_bn")} | {"probabilities"}


def test_what_fit_decided_cannot_be_changed(tlk, run):
    done = tlk("unfreeze-and-finetune", run, "--set", "data.task=multilabel", "--set", "head.hidden=[3]")
    assert done.code == 1 and "data, head cannot be changed after `tlk fit`" in done.err


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("from:block9", "no block or layer 'block9'"),
        ("half", "Expected `all`"),
        ("last:2", "at most 1"),
    ],
)
def test_wrong_places_are_explained(tlk, run, where, expected):
    done = tlk("unfreeze-and-finetune", run, "--unfreeze", where)
    assert done.code == 1 and expected in done.err and "Traceback" not in done.err
    assert [path.name for path in (run / "phases").iterdir()] == ["1-head"]


def test_weights_of_classes_that_the_run_has_not_are_refused(tlk, run):
    done = tlk("unfreeze-and-finetune", run, "--set", "finetune.class_weight={purple: 2}")
    assert done.code == 1 and "finetune.class_weight: there is no class 'purple'." in done.err
    assert [path.name for path in (run / "phases").iterdir()] == ["1-head"]


def test_images_that_have_gone_are_named(tlk, run):
    manifest = run / "manifest.csv"
    manifest.write_bytes(manifest.read_bytes().replace(b"photos", b"moved"))
    done = tlk("unfreeze-and-finetune", run)
    assert done.code == 1 and "are not where they were" in done.err and "moved" in done.err


def test_runs_that_are_none(tlk, run, tmp_path):
    missing = tlk("unfreeze-and-finetune", run.parent / "finishe")
    assert missing.code == 1 and "Did you mean 'finished'" in missing.err
    (tmp_path / "empty").mkdir()
    assert "not a finished run" in tlk("unfreeze-and-finetune", tmp_path / "empty").err
    (run / "model.keras").write_bytes(b"half a model")
    damaged = tlk("unfreeze-and-finetune", run)
    assert damaged.code == 1 and "is damaged" in damaged.err and "Traceback" not in damaged.err
