"""`tlk pretrain`: a source model, stopped in every way, and what starts from it."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest

from tests.commands.tlk import heed_interrupts
from tl_keras.evaluation.transfer_gain import TransferGain
from tl_keras.models.source_model import SourceModelInfo, read_source_model_info

EXACT = ("train.ema=0.9", "train.schedule.kind=plateau", "train.early_stopping=3", "head.dropout=0.3")
"""All that has a state of its own: averaged weights, what callbacks remember, dropout's random numbers."""


def options(runs_dir: Path, *more: str) -> tuple[str, ...]:
    settings = ("runtime.checkpoint_minutes=1e-9", *EXACT, *more)
    flags = [part for setting in settings for part in ("--set", setting)]
    return ("--backbone", "Tiny", "--epochs", "3", "--batch-size", "8", "--runs-dir", str(runs_dir), *flags)


@pytest.fixture(scope="module")
def source(photos, tmp_path_factory) -> Path:
    """A source model pretrained on `photos` without any interruption."""
    from tl_keras.config.loading import load_config, parse_assignments
    from tl_keras.config.schema import pretraining_defaults
    from tl_keras.workflows.pretrain import pretrain

    named = {"model.backbone": "Tiny", "train.epochs": 3, "train.batch_size": 8}
    config = load_config(None, parse_assignments(EXACT) | named, pretraining_defaults())
    return pretrain(photos, config, name="source", runs_dir=tmp_path_factory.mktemp("sources")).run


def test_a_source_model_has_its_weights_and_says_how_it_was_made(source, photos):
    info = read_source_model_info(source / "source.json")
    assert (info.backbone, info.options, info.image_size) == ("Tiny", {}, 32)
    assert info.classes == ("blue", "green", "red") and info.data["name"] == photos.name
    metrics = json.loads((source / "metrics.json").read_text())
    assert info.score["accuracy"] == metrics["evaluation"]["accuracy"] and info.score["split"] == "test"
    assert info.recipe["train"]["epochs"] == 3 and str(photos) not in (source / "source.json").read_text()
    assert {file.name for file in source.iterdir()} == {
        "backbone.weights.h5", "config.yaml", "labels.txt", "manifest.csv", "metrics.json", "model.keras",
        "phases", "predictions.csv", "source.json",
    }  # fmt: skip
    assert {file.name for file in (source / "phases" / "1-pretrain").iterdir()} == {
        "history.csv", "model.keras", "summary.json",
    }  # fmt: skip


def test_the_files_kernels_are_float16_and_exactly_those_of_the_model_that_was_measured(source):
    from tl_keras.models.backbone import build_base
    from tl_keras.models.backbones import find
    from tl_keras.models.classifier import backbone_of

    with h5py.File(source / "backbone.weights.h5") as file:
        kinds: set[tuple[int, str]] = set()
        file.visititems(
            lambda _, item: (
                kinds.add((item.ndim, str(item.dtype))) if isinstance(item, h5py.Dataset) else None
            )
        )
    assert kinds == {(4, "float16"), (1, "float32")}
    base = build_base(find("Tiny"), {}, 32, str(source / "backbone.weights.h5"))
    measured = backbone_of(keras.models.load_model(source / "model.keras", compile=False))
    assert all(map(np.array_equal, base.get_weights(), measured.get_weights()))


def test_all_of_it_was_trained_batchnorm_statistics_too(source):
    from tl_keras.models.classifier import backbone_of

    base = backbone_of(keras.models.load_model(source / "model.keras", compile=False))
    norms = [layer for layer in base.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert len(norms) == 6
    assert all(
        np.abs(norm.moving_mean.numpy()).max() > 0 and np.ptp(norm.gamma.numpy()) > 0 for norm in norms
    )


def start(photos: Path, runs_dir: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tl_keras", "pretrain", str(photos), "--name", "source"]
    return subprocess.Popen(
        [*command, *options(runs_dir, *more)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heed_interrupts,
    )  # fmt: skip


def checkpoints(runs_dir: Path) -> list[str]:
    return sorted(file.stem for file in runs_dir.glob(".unfinished/source/phases/*/checkpoints/*.npz"))


def wait_for(runs_dir: Path, epoch: int, batch: int, process: subprocess.Popen[str]) -> None:
    """Return when the state after a batch lies on the disk."""
    wanted = f"{epoch:06d}-{batch:08d}"
    deadline = time.monotonic() + 120
    while not any(found >= wanted for found in checkpoints(runs_dir)):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.fixture(scope="module")
def stopped(photos, tmp_path_factory) -> Path:
    """A folder of runs with one in it that Ctrl-C stopped in its first epoch and `kill -9` in its second.

    Two checkpoints are kept; a kill between writing one and removing the oldest leaves three.
    """
    runs_dir = tmp_path_factory.mktemp("stopped")
    first = start(photos, runs_dir)
    wait_for(runs_dir, 0, 3, first)
    first.send_signal(signal.SIGINT)
    _, said = first.communicate(timeout=60)
    assert first.returncode == 130 and f"resume with: tlk resume {runs_dir / 'source'}" in said
    second = start(photos, runs_dir)
    wait_for(runs_dir, 1, 2, second)
    second.kill()
    second.communicate()
    return runs_dir


@pytest.fixture
def unfinished(stopped, tmp_path) -> Path:
    """A copy of that folder."""
    return Path(shutil.copytree(stopped, tmp_path / "runs"))


@pytest.mark.slow
@pytest.mark.parametrize("damage", [False, True], ids=["whole", "newest checkpoint damaged"])
def test_stopped_in_the_middle_the_same_command_ends_as_if_it_never_was(
    tlk, source, photos, unfinished, damage
):
    assert not (unfinished / "source").exists() and len(checkpoints(unfinished)) >= 2
    assert "source is unfinished" in tlk("runs", "--runs-dir", unfinished).err
    if damage:
        latest = sorted(unfinished.glob(".unfinished/source/phases/*/checkpoints/*.npz"))[-1]
        os.truncate(latest, latest.stat().st_size // 2)
    done = tlk("pretrain", photos, "--name", "source", *options(unfinished))
    assert done.code == 0, done.err
    assert "resuming after an interruption: epoch 2" in done.err and "images in 3 classes" not in done.err
    assert ("is damaged" in done.err) == damage
    assert not (unfinished / ".unfinished" / "source").exists()
    assert same_file(source, unfinished / "source", "phases/1-pretrain/history.csv")
    assert all(map(np.array_equal, weights(source), weights(unfinished / "source")))
    assert not list(unfinished.glob("source/phases/*/checkpoints"))


def same_file(one: Path, other: Path, name: str) -> bool:
    return (one / name).read_text() == (other / name).read_text()


def weights(run: Path) -> list[np.ndarray]:
    return keras.models.load_model(run / "model.keras", compile=False).get_weights()


@pytest.mark.slow
def test_an_unfinished_run_is_not_taken_up_with_other_settings(tlk, photos, unfinished):
    command = ("pretrain", photos, "--name", "source", *options(unfinished, "runtime.seed=1"))
    other = tlk(*command)
    assert other.code == 1 and "started with other settings" in other.err
    assert "runtime.seed: 0 there, 1 asked for" in other.err and "--overwrite" in other.err
    assert len(checkpoints(unfinished)) >= 2, "nothing was lost"
    anew = tlk(*command, "--overwrite")
    assert anew.code == 0 and "resuming" not in anew.err
    assert "source model:" in anew.out and f"--weights {unfinished / 'source'}" in anew.out


@pytest.mark.slow
def test_settings_that_decide_no_weights_may_change(tlk, photos, unfinished):
    options_ = options(unfinished, "data.cache_mb=1", "runtime.checkpoint_minutes=5")
    done = tlk("pretrain", photos, "--name", "source", *options_)
    assert done.code == 0 and "resuming after an interruption" in done.err, done.err


@pytest.mark.slow
def test_an_overwrite_that_fails_at_its_beginning_loses_nothing(tlk, photos, unfinished):
    before = checkpoints(unfinished)
    command = ("pretrain", photos, "--name", "source", *options(unfinished))
    wrong = tlk(*command, "--image-size", 16, "--overwrite")
    assert wrong.code == 1 and "needs at least 32 pixels" in wrong.err
    assert checkpoints(unfinished) == before
    assert tlk(*command).code == 0


@pytest.mark.slow
def test_images_that_changed_since_are_an_error_that_counts_them(tlk, unfinished, tmp_path, photos):
    moved = Path(shutil.copytree(photos, tmp_path / "photos"))
    config = unfinished / ".unfinished" / "source" / "requested.yaml"
    manifest = config.with_name("manifest.csv")
    for file in (config, manifest):
        file.write_text(file.read_text().replace(str(photos), str(moved)))
    (moved / "red" / "red_00.jpg").unlink()
    done = tlk("pretrain", moved, "--name", "source", *options(unfinished))
    assert done.code == 1 and "0 are new, 1 are gone, 0 have been rewritten" in done.err
    assert len(checkpoints(unfinished)) >= 2
    anew = tlk("pretrain", moved, "--name", "source", *options(unfinished), "--overwrite")
    assert anew.code == 0 and "resuming" not in anew.err


@pytest.mark.slow
def test_an_image_that_was_replaced_since_is_noticed(tlk, unfinished, photos):
    manifest = unfinished / ".unfinished" / "source" / "manifest.csv"
    before_all_images = min(file.stat().st_mtime for file in photos.rglob("*.jpg")) - 1
    os.utime(manifest, (before_all_images, before_all_images))
    done = tlk("pretrain", photos, "--name", "source", *options(unfinished))
    assert done.code == 1 and "0 are gone, 60 have been rewritten" in done.err


@pytest.mark.slow
def test_damaged_checkpoints_do_not_stand_in_the_way_of_new_ones(tlk, source, photos, unfinished):
    for file in unfinished.glob(".unfinished/source/phases/*/checkpoints/*.npz"):
        os.truncate(file, file.stat().st_size // 2)
    later = next(unfinished.glob(".unfinished/source/phases/*/checkpoints"))
    (later / "000099-00000000.npz").write_bytes(b"damaged")
    done = tlk("pretrain", photos, "--name", "source", *options(unfinished))
    assert done.code == 0 and "no checkpoint can be read: the training starts again" in done.err
    assert all(map(np.array_equal, weights(source), weights(unfinished / "source")))


@pytest.mark.slow
def test_a_checkpoint_of_another_precision_is_refused(tlk, photos, unfinished):
    from tl_keras.training.callbacks.checkpoint_state import latest, save

    folder = next(unfinished.glob(".unfinished/source/phases/*/checkpoints"))
    state = latest(folder)
    assert state is not None
    state.identity, state.epoch = replace(state.identity, precision="mixed_float16"), 2
    save(folder, state)
    done = tlk("pretrain", photos, "--name", "source", *options(unfinished))
    assert done.code == 1 and "started in mixed_float16" in done.err and "in float32" in done.err


@pytest.mark.slow
def test_killed_in_its_first_minute_it_goes_on_from_the_very_beginning(tlk, source, photos, tmp_path):
    process = start(photos, tmp_path, "runtime.checkpoint_minutes=1000")
    wait_for(tmp_path, 0, 0, process)
    process.kill()
    process.communicate()
    assert checkpoints(tmp_path) == ["000000-00000000"]
    done = tlk("pretrain", photos, "--name", "source", *options(tmp_path))
    assert done.code == 0 and "epoch 1, batch 1" in done.err, done.err
    assert all(map(np.array_equal, weights(source), weights(tmp_path / "source")))


def test_a_training_that_diverges_leaves_nothing(tlk, photos, tmp_path):
    wild = ("--set", "train.learning_rate=1e38", "--set", "train.schedule.kind=constant")
    done = tlk("pretrain", photos, "--backbone", "Tiny", "--runs-dir", tmp_path, *wild)
    assert done.code == 1 and "The loss became" in done.err
    missing = tlk("pretrain", photos / "nothing", "--runs-dir", tmp_path)
    assert missing.code == 1 and "Not found" in missing.err
    assert not list(tmp_path.glob("[!.]*")) and not list(tmp_path.glob(".unfinished/*"))


def test_a_source_model_is_not_fine_tuned_itself(tlk, source):
    done = tlk("unfreeze-and-finetune", source)
    assert done.code == 1 and "is a source model" in done.err and f"--weights {source}" in done.err


def test_pretraining_from_pretrained_weights_is_refused(tlk, photos, tmp_path):
    done = tlk("pretrain", photos, "--set", "model.weights=pretrained", "--runs-dir", tmp_path)
    assert done.code == 1 and "model.weights none" in done.err and "tlk fit" in done.err


def test_weights_of_unknown_classes_show_before_images_are_checked(tlk, photos, tmp_path):
    done = tlk("pretrain", photos, "--set", "train.class_weight={redd: 2}", "--runs-dir", tmp_path / "runs")
    assert done.code == 1 and "there is no class 'redd'. Did you mean 'red'?" in done.err
    assert "images" not in done.err and not (tmp_path / "runs").exists()


def test_without_data_it_says_how_to_name_some(tlk):
    done = tlk("pretrain")
    assert done.code == 2 and "tlk pretrain DATA" in done.err


@pytest.mark.parametrize("by", ["folder", "file"])
def test_fit_takes_backbone_and_size_from_the_source(tlk, source, photos, tmp_path, by):
    weights_option = source if by == "folder" else source / "backbone.weights.h5"
    done = tlk("fit", photos, "--weights", weights_option, "--epochs", 1, "--runs-dir", tmp_path, "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["backbone"] == "Tiny"
    fitted = keras.models.load_model(Path(found["run"]) / "model.keras", compile=False)
    pretrained = keras.models.load_model(source / "model.keras", compile=False)
    assert fitted.input_shape == pretrained.input_shape
    pairs = zip(
        fitted.get_layer("backbone").get_weights(),
        pretrained.get_layer("backbone").get_weights(),
        strict=True,
    )
    assert all(np.array_equal(ours, theirs) for ours, theirs in pairs)


def test_the_saved_config_of_such_a_fit_repeats_it(tlk, source, photos, tmp_path):
    options = ("--runs-dir", tmp_path, "--name")
    assert tlk("fit", photos, "--weights", source, "--epochs", 1, *options, "a").code == 0
    again = tlk("fit", "--config", tmp_path / "a" / "config.yaml", *options, "b")
    assert again.code == 0, again.err
    assert all(map(np.array_equal, weights(tmp_path / "a"), weights(tmp_path / "b")))


@pytest.mark.parametrize(
    ("flags", "both_sides"),
    [
        (("--backbone", "MobileNet"), "model.backbone: 'Tiny' there, 'MobileNet' asked for"),
        (("--image-size", "64"), "data.image_size: 32 there, 64 asked for"),
        (("--backbone-option", "alpha=0.5"), "model.options: {} there, {'alpha': 0.5} asked for"),
    ],
)
def test_a_mismatch_with_the_source_names_both_sides(tlk, source, photos, tmp_path, flags, both_sides):
    done = tlk("fit", photos, "--weights", source, *flags, "--runs-dir", tmp_path)
    assert done.code == 1 and both_sides in done.err


def test_a_run_of_fit_is_no_source_but_its_model_can_be_one(tlk, run, photos, tmp_path):
    config = (run / "config.yaml").read_text()
    config = config.replace("backbone: Tiny", "backbone: MobileNet").replace(
        "options: {}", "options: {alpha: 1}"
    )
    (run / "config.yaml").write_text(config)
    done = tlk("fit", photos, "--weights", run, "--runs-dir", tmp_path)
    assert done.code == 1 and "is no source model" in done.err
    assert f"--weights {run / 'model.keras'} --backbone MobileNet --backbone-option alpha=1" in done.err


def test_a_baseline_needs_something_to_compare_with(tlk, photos, tmp_path):
    done = tlk("fit", photos, "--weights", "none", "--baseline", "scratch", "--runs-dir", tmp_path)
    assert done.code == 1 and "model.weights is none" in done.err


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("backbone", "Nonesuch", "cannot be used: Unknown backbone 'Nonesuch'"),
        ("image_size", "wide", "is damaged: image_size:"),
        ("options", ["a"], "is damaged: options:"),
        ("classes", 5, "is damaged: classes:"),
    ],
)
def test_a_damaged_source_json_is_named(tlk, source, photos, tmp_path, field, value, said):
    folder = tmp_path / "source"
    folder.mkdir()
    found = json.loads((source / "source.json").read_text())
    (folder / "source.json").write_text(json.dumps(found | {field: value}))
    (folder / "backbone.weights.h5").write_bytes(b"")
    done = tlk("fit", photos, "--weights", folder, "--runs-dir", tmp_path)
    assert done.code == 1 and f"{folder / 'source.json'} {said}" in done.err


def test_test_images_that_the_source_was_trained_on_are_counted(tlk, source, photos, tmp_path):
    done = tlk(
        "fit", photos, "--weights", source, "--seed", 5, "--epochs", 1, "--runs-dir", tmp_path, "--name", "l"
    )
    assert done.code == 0 and "(2 of them, or copies or relatives, were trained on; without these" in done.out
    learnt = {row["sha256"] for row in rows(source) if row["split"] == "train"}
    seen = sum(row["sha256"] in learnt for row in rows(tmp_path / "l") if row["split"] == "test")
    assert metrics(tmp_path / "l")["trained_on"] == seen > 0


def rows(run: Path) -> list[dict[str, str]]:
    with (run / "manifest.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_source_info_survives_the_file(tmp_path):
    info = SourceModelInfo(
        "Tiny", {"alpha": 0.5}, 32, ("a", "ü"), {"name": "x"}, {"seed": 0}, {"accuracy": 0.5}, "1"
    )
    (tmp_path / "source.json").write_text(info.to_json(), encoding="utf-8")
    assert read_source_model_info(tmp_path / "source.json") == info


def test_a_source_model_is_a_run_like_any_other(tlk, source):
    evaluated = tlk("evaluate", source, "--json")
    stated = read_source_model_info(source / "source.json").score["accuracy"]
    assert evaluated.code == 0 and json.loads(evaluated.out)["evaluation"]["accuracy"] == stated
    listed = tlk("runs", "--runs-dir", source.parent, "--json")
    assert json.loads(listed.out)[0]["phase"] == "1-pretrain"


@pytest.mark.slow
def test_a_baseline_is_told_on_the_screen_and_in_metrics(tlk, source, photos, tmp_path):
    """Which of the two wins depends on the machine's speed; verdicts are tested with `transfer_gain`."""
    options_ = ("--baseline", "scratch", "--epochs", 2, "--runs-dir", tmp_path, "--name", "b")
    done = tlk("fit", photos, "--weights", source, *options_)
    assert done.code == 0, done.err
    run = tmp_path / "b"
    said = metrics(run)["transfer"]
    assert said["images"] == 8 and said["epochs"] > 0 and said["seconds"] > 0
    assert TransferGain.from_dict(said).describe() in done.out
    assert (run / "phases" / "1-head" / "baseline" / "history.csv").is_file()
    assert tlk("evaluate", run).code == 0 and metrics(run)["transfer"] == said
    assert tlk("evaluate", run, "--data", photos).code == 0
    (others,) = (run / "evaluations").glob("photos-all-*")
    assert metrics(others)["transfer"] is None


def metrics(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "metrics.json").read_text()))
