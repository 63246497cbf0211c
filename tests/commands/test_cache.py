"""Stored features, as the commands use, list and clear them."""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.commands.tlk import ROOT
from tests.images import class_folders, encoded, noisy_image
from tl_keras.config.loading import load_config

NETWORK = ("--backbone", "Tiny", "--image-size", "32", "--epochs", "2")
AUTO = (*NETWORK, "--set", "head=auto")
LINEAR = (*NETWORK, "--set", "head.dropout=0.1")


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """A cache of the test's own."""
    monkeypatch.setenv("TLK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "features"


@pytest.fixture
def fitted(once, tlk, photos, cache, tmp_path, monkeypatch) -> Path:
    """A run `a` of LINEAR on `photos`, in `tmp_path`, with its features in the test's own cache."""

    def fit(folder: Path) -> None:
        monkeypatch.setenv("TLK_CACHE", str(folder / "cache"))
        assert tlk("fit", photos, *LINEAR, "--name", "a", "--runs-dir", folder).code == 0
        monkeypatch.setenv("TLK_CACHE", str(cache.parent))

    made = once("linear", fit)
    shutil.copytree(made / "cache", cache.parent)
    return Path(shutil.copytree(made / "a", tmp_path / "a"))


def listed(tlk) -> list[dict]:
    """Return the stores of features; there is also one of facts about image files."""
    return [store for store in json.loads(tlk("cache", "--json").out) if "backbone" in store["about"]]


def weights(run: Path) -> list[np.ndarray]:
    return keras.models.load_model(run / "model.keras", compile=False).get_weights()


def chunks(folder: Path) -> list[Path]:
    """Return the files of features, not of facts."""
    stores = [
        file.parent for file in folder.glob("*/about.json") if "backbone" in json.loads(file.read_text())
    ]
    return sorted(file for store in stores for file in store.glob("*.npy"))


def rows_on_disk(folder: Path) -> int:
    return sum(len(np.load(file)) for file in chunks(folder))


@pytest.mark.usefixtures("cache")
def test_list_and_clear(tlk, photos, tmp_path):
    empty = tlk("cache")
    assert empty.code == 0 and empty.out == "" and "no features are stored" in empty.err
    for name in ("a", "b"):
        assert tlk("fit", photos, *LINEAR, "--name", name, "--runs-dir", tmp_path / "runs").code == 0
    (store,) = listed(tlk)
    assert store["rows"] == 60 and store["about"]["backbone"] == "Tiny"
    assert [Path(run).name for run in store["runs"]] == ["a", "b"]
    assert store["megabytes"] == pytest.approx(60 * (336 * 4 + 32) / 1e6, rel=0.1)
    table = tlk("cache").out
    assert "Tiny" in table and "pooling avg" in table and "a, b" in table and "MB in" in table
    cleared = tlk("cache", "clear")
    assert cleared.code == 0 and "0.1 MB removed" in cleared.out and listed(tlk) == []
    assert tlk("evaluate", tmp_path / "runs" / "a").code == 0, "runs go on without"


def test_ten_new_images_are_ten_new_rows(tlk, cache, tmp_path):
    data = class_folders(tmp_path / "data", classes=2, per_class=15)
    assert tlk("fit", data, *LINEAR, "--runs-dir", tmp_path / "runs").code == 0
    before = {file.name for file in chunks(cache)}
    class_folders(data, classes=2, per_class=20)
    assert tlk("fit", data, *LINEAR, "--runs-dir", tmp_path / "runs", "--seed", 3).code == 0
    new = [file for file in chunks(cache) if file.name not in before]
    assert sum(len(np.load(file)) for file in new) == 10
    assert rows_on_disk(cache) == 40


def test_a_head_is_chosen_reported_and_repeated(tlk, cache, photos, tmp_path):
    first = tlk("fit", photos, *AUTO, "--name", "a", "--runs-dir", tmp_path)
    assert first.code == 0, first.err
    assert "head: " in first.err and "3-fold cross-validation" in first.err
    with (tmp_path / "a" / "phases" / "1-head" / "head_search.csv").open(newline="") as file:
        trials = list(csv.DictReader(file))
    made = load_config(tmp_path / "a" / "config.yaml")
    assert made.head is not None and made.train.epochs == 2
    assert made.train.learning_rate == float(trials[0]["learning_rate"])
    assert made.head.standardize == (trials[0]["standardize"] == "True")
    again = tlk("fit", "--config", tmp_path / "a" / "config.yaml", "--name", "b", "--runs-dir", tmp_path)
    assert again.code == 0, again.err
    assert "cross-validation" not in again.err
    pairs = zip(weights(tmp_path / "a"), weights(tmp_path / "b"), strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)
    assert rows_on_disk(cache) == 60


@pytest.mark.usefixtures("cache")
def test_stored_features_give_what_whole_images_give(tlk, photos, tmp_path):
    on = tlk("fit", photos, *LINEAR, "--name", "on", "--runs-dir", tmp_path, "--json")
    off = tlk("fit", photos, *LINEAR, "--features", "off", "--name", "off", "--runs-dir", tmp_path, "--json")
    assert (on.code, off.code) == (0, 0), on.err + off.err
    found = [json.loads(done.out) for done in (on, off)]
    assert found[0]["training"]["val_loss"] == pytest.approx(found[1]["training"]["val_loss"], rel=1e-3)
    for a, b in zip(weights(tmp_path / "on"), weights(tmp_path / "off"), strict=True):
        np.testing.assert_allclose(a, b, atol=2e-3)


def test_the_second_phase_stores_the_boundary_and_evaluation_agrees(tlk, fitted):
    options = ("--unfreeze", "from:block3", "--epochs", 1, "--learning-rate", "1e-3", "--json")
    done = tlk("unfreeze-and-finetune", fitted, *options)
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert "block2_out" in {store["about"]["cut"] for store in listed(tlk)}
    evaluated = json.loads(tlk("evaluate", fitted, "--json").out)
    kept = found["after" if found["kept"] else "before"]
    assert evaluated["evaluation"]["loss"] == pytest.approx(kept["evaluation"]["loss"], rel=1e-3)


def test_views_are_rows_of_their_own(tlk, cache, photos, tmp_path):
    options = ("--set", "augment.flip=horizontal", "--set", "augment.rotation=20", "--set", "augment.views=2")
    done = tlk("fit", photos, *LINEAR, *options, "--name", "a", "--runs-dir", tmp_path)
    assert done.code == 0, done.err
    with (tmp_path / "a" / "manifest.csv").open(newline="") as file:
        train = sum(row["split"] == "train" for row in csv.DictReader(file))
    assert sorted(store["rows"] for store in listed(tlk)) == [train, train, 60]
    assert {store["about"].get("augment", {}).get("view") for store in listed(tlk)} == {None, 1, 2}
    again = tlk("unfreeze-and-finetune", tmp_path / "a", "--unfreeze", "from:block3", "--epochs", 1)
    assert again.code == 0, again.err
    assert rows_on_disk(cache) == 2 * (60 + 2 * train)


def test_fine_tuning_again_computes_nothing_and_makes_no_room_for_it(tlk, cache, photos, tmp_path):
    views = ("--set", "augment.flip=horizontal", "--set", "augment.views=2")
    assert tlk("fit", photos, *LINEAR, *views, "--name", "a", "--runs-dir", tmp_path).code == 0
    tune = ("unfreeze-and-finetune", tmp_path / "a", "--unfreeze", "from:block3", "--epochs", 1)
    assert tlk(*tune).code == 0
    before = {file: file.stat().st_mtime_ns for file in chunks(cache)}
    size = sum(file.stat().st_size for file in cache.rglob("*") if file.is_file())
    for part in (1.2, 1.0):
        again = tlk(*tune, "--set", f"runtime.store_gb={part * size / 2**30}")
        assert again.code == 0, again.err
        assert {file: file.stat().st_mtime_ns for file in chunks(cache)} == before


def test_mixed_images_are_never_stored(tlk, cache, photos, tmp_path):
    done = tlk("fit", photos, *LINEAR, "--set", "augment.mixup=0.2", "--runs-dir", tmp_path)
    assert done.code == 0 and not chunks(cache)
    refused = tlk("fit", photos, *NETWORK, "--set", "head.standardize=true", "--features", "off")
    assert refused.code == 1 and "head.standardize" in refused.err
    scaled = ("--set", "head.standardize=true", "--name", "scaled", "--runs-dir", tmp_path)
    assert tlk("fit", photos, *NETWORK, *scaled).code == 0
    mixed = tlk("unfreeze-and-finetune", tmp_path / "scaled", "--epochs", 1, "--set", "augment.mixup=0.2")
    assert mixed.code == 0, mixed.err


def test_without_room_they_stay_in_memory_and_it_says_so(tlk, cache, photos, tmp_path):
    none = ("--set", "runtime.store_gb=0")
    done = tlk("fit", photos, *AUTO, *none, "--name", "a", "--runs-dir", tmp_path)
    assert done.code == 0, done.err
    assert "no room for more features" in done.err and "kept in memory" in done.err
    tuned = tlk("unfreeze-and-finetune", tmp_path / "a", *none, "--unfreeze", "from:block3", "--epochs", 1)
    assert tuned.code == 0 and "no room to store" in tuned.err and "whole images" in tuned.err
    assert rows_on_disk(cache) == 0


@pytest.mark.usefixtures("fitted")
def test_a_smaller_budget_removes_nothing_that_is_of_use(tlk, cache, photos, tmp_path):
    none = ("--set", "runtime.store_gb=0")
    again = tlk("fit", photos, *LINEAR, *none, "--name", "b", "--runs-dir", tmp_path)
    assert again.code == 0 and "60 were stored, 0 are new" in again.err and "no room" not in again.err
    assert tlk("evaluate", tmp_path / "b").code == 0 and rows_on_disk(cache) == 60


@pytest.mark.usefixtures("fitted")
def test_what_tells_of_a_store_is_repaired(tlk, photos, tmp_path):
    (store,) = listed(tlk)
    (Path(store["folder"]) / "about.json").write_text("{")
    assert listed(tlk) == []
    assert tlk("fit", photos, *LINEAR, "--name", "b", "--runs-dir", tmp_path).code == 0
    assert listed(tlk)[0]["rows"] == 60


def test_without_a_choice_of_head_it_says_why(tlk, cache, photos, tmp_path):
    off = tlk("fit", photos, *AUTO, "--features", "off", "--runs-dir", tmp_path / "runs")
    assert off.code == 0 and "head: linear; choosing one needs stored features" in off.err
    few = class_folders(tmp_path / "few", classes=2, per_class=3)
    done = tlk("fit", few, *AUTO, "--runs-dir", tmp_path / "runs")
    assert done.code == 0 and "head: linear; too few images" in done.err and cache.exists()
    wrong = tlk("fit", photos, *NETWORK, "--set", "head=autox")
    assert wrong.code == 1 and "expected auto" in wrong.err


def test_predictions_do_not_rest_on_damaged_features(tlk, cache, photos, fitted):
    whole = tlk("predict", fitted, photos, "--json")
    assert whole.code == 0 and "damaged" not in whole.err
    (file,) = chunks(cache)
    content = file.read_bytes()
    file.write_bytes(content[:-1000] + bytes(1000))
    again = tlk("predict", fitted, photos, "--json")
    assert again.code == 0 and "damaged" in again.err and not file.exists()
    for one, other in zip(whole.out.splitlines(), again.out.splitlines(), strict=True):
        found, expected = (
            {c["label"]: c["score"] for c in json.loads(line)["classes"]} for line in (other, one)
        )
        assert found == pytest.approx(expected, abs=1e-4)


def test_damage_is_repaired_in_passing(tlk, cache, photos, tmp_path, fitted):
    (file,) = chunks(cache)
    whole = file.read_bytes()
    file.write_bytes(whole[:5000] + bytes([whole[5000] ^ 1]) + whole[5001:])
    again = tlk("fit", photos, *LINEAR, "--name", "b", "--runs-dir", tmp_path)
    assert again.code == 0 and "damaged" in again.err
    assert file.read_bytes() == whole
    pairs = zip(weights(fitted), weights(tmp_path / "b"), strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)


@pytest.mark.slow
def test_two_at_once_on_the_same_images_both_finish_right(cache, photos, tmp_path):
    def start(name: str) -> subprocess.Popen:
        command = [sys.executable, "-m", "tl_keras", "fit", photos, *LINEAR, "--name", name,
                   "--runs-dir", tmp_path]  # fmt: skip
        return subprocess.Popen(
            list(map(str, command)), stderr=subprocess.PIPE, cwd=ROOT, env=dict(os.environ)
        )

    both = [start("a"), start("b")]
    errors = [process.communicate()[1].decode() for process in both]
    assert [process.returncode for process in both] == [0, 0], errors
    pairs = zip(weights(tmp_path / "a"), weights(tmp_path / "b"), strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)
    assert rows_on_disk(cache) == 60


def test_prediction_in_bulk_uses_what_is_stored_and_answers_the_same(tlk, photos, tmp_path, fitted):
    new = tmp_path / "new"
    new.mkdir()
    (new / "new.jpg").write_bytes(encoded(noisy_image(7)))
    (new / "broken.jpg").write_text("no image")
    bulk = tlk("predict", fitted, photos, new, "--json")
    answers = {answer["path"]: answer for answer in map(json.loads, bulk.out.splitlines())}
    assert bulk.code == 1 and len(answers) == 62 and "error" in answers[str(new / "broken.jpg")]
    for path in (new / "new.jpg", next((photos / "red").glob("*.jpg"))):
        (one,) = map(json.loads, tlk("predict", fitted, path, "--json").out.splitlines())
        expected = {c["label"]: c["score"] for c in one["classes"]}
        found = {c["label"]: c["score"] for c in answers[str(path)]["classes"]}
        assert found == pytest.approx(expected, abs=1e-4)


@pytest.mark.usefixtures("cache")
def test_images_that_broke_since_training_are_named(tlk, tmp_path):
    data = class_folders(tmp_path / "data", classes=2, per_class=12)
    assert tlk("fit", data, *LINEAR, "--name", "a", "--runs-dir", tmp_path / "runs").code == 0
    for path in data.rglob("*.jpg"):
        path.write_text("no image any more")
    for command in ("evaluate", "unfreeze-and-finetune"):
        done = tlk(command, tmp_path / "runs" / "a")
        assert done.code == 1 and "was readable when it was checked, and is not any more" in done.err


def test_a_cache_that_cannot_be_written_is_done_without(tlk, photos, tmp_path, monkeypatch):
    (tmp_path / "a file").write_text("in the way")
    monkeypatch.setenv("TLK_CACHE", str(tmp_path / "a file" / "cache"))
    done = tlk("fit", photos, *AUTO, "--runs-dir", tmp_path / "runs")
    assert done.code == 0, done.err
    assert "Cannot write" in done.err and "kept in memory" in done.err
