"""`tlk fit`, from options to the run's folder."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.commands.tlk import ROOT, tlk_process
from tests.images import class_folders, encoded, exif, noisy_image
from tl_keras.config.loading import load_config


def test_a_run_has_all_its_files(tlk, photos, tiny_options, tmp_path):
    done = tlk("fit", photos, *tiny_options, "--runs-dir", tmp_path)
    assert done.code == 0, done.err
    folder = tmp_path / "photos-mobilenet"
    assert f"run: {folder}" in done.out and "test accuracy" in done.out
    assert "random weights" in done.err
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert files == {
        "config.yaml", "labels.txt", "manifest.csv", "metrics.json", "model.keras", "predictions.csv",
        "phases/1-head/history.csv", "phases/1-head/summary.json", "phases/1-head/model.keras",
        "phases/1-head/config.yaml",
    }  # fmt: skip
    assert (folder / "labels.txt").read_text().split() == ["blue", "green", "red"]
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["split"] == "test" and not metrics["used_for_selection"]
    with (folder / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 60 and {row["split"] for row in rows} == {"train", "val", "test"}
    assert metrics["evaluation"]["images"] == sum(row["split"] == "test" for row in rows)


def test_the_saved_config_repeats_the_run_to_the_bit(tlk, photos, tiny_options, tmp_path):
    assert tlk("fit", photos, *tiny_options, "--runs-dir", tmp_path, "--name", "a", "--seed", 5).code == 0
    again = tlk("fit", "--config", tmp_path / "a" / "config.yaml", "--runs-dir", tmp_path, "--name", "b")
    assert again.code == 0, again.err
    other = tlk("fit", photos, *tiny_options, "--runs-dir", tmp_path, "--name", "c", "--seed", 6)
    assert other.code == 0
    a, b, c = (weights(tmp_path / name) for name in "abc")
    assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
    assert not all(np.array_equal(x, y) for x, y in zip(a, c, strict=True))


def weights(run: Path) -> list[np.ndarray]:
    return keras.models.load_model(run / "model.keras", compile=False).get_weights()


def test_json_is_for_programs(tlk, photos, tiny_options, tmp_path):
    done = tlk("fit", photos, *tiny_options, "--runs-dir", tmp_path, "--json")
    found = json.loads(done.out)
    assert (
        Path(found["run"]).is_dir()
        and found["training"]["epochs"] == 1
        and 0 <= found["evaluation"]["accuracy"] <= 1
    )


def test_names_are_numbered_and_never_overwritten_unasked(tlk, photos, tiny_options, tmp_path):
    options = ("fit", photos, *tiny_options, "--runs-dir", tmp_path)
    assert tlk(*options).code == 0 and tlk(*options).code == 0
    assert (tmp_path / "photos-mobilenet-2" / "model.keras").is_file()
    taken = tlk(*options, "--name", "photos-mobilenet")
    assert taken.code == 1 and "exists already" in taken.err and "--overwrite" in taken.err
    replaced = tlk(*options, "--name", "photos-mobilenet", "--overwrite", "--set", "head.hidden=[4]")
    assert replaced.code == 0
    assert load_config(tmp_path / "photos-mobilenet" / "config.yaml").head.hidden == (4,)


def test_a_failed_overwrite_keeps_the_old_run(tlk, run, tiny_options, photos):
    before = (run / "model.keras").read_bytes()
    failing = tlk("fit", photos, *tiny_options, "--runs-dir", run.parent, "--name", run.name, "--overwrite",
                  "--set", "train.learning_rate=1e38", "--set", "train.optimizer=sgd")  # fmt: skip
    assert failing.code == 1 and "The loss became" in failing.err and "rate" in failing.err
    assert (run / "model.keras").read_bytes() == before


def test_a_folder_that_is_no_run_is_not_replaced(tlk, tiny_options, photos, tmp_path):
    (tmp_path / "holiday").mkdir()
    (tmp_path / "holiday" / "me.jpg").write_bytes(b"precious")
    (tmp_path / "holiday" / "config.yaml").write_text("mine: 1")
    done = tlk("fit", photos, *tiny_options, "--runs-dir", tmp_path, "--name", "holiday", "--overwrite")
    assert done.code == 1 and "is not a finished run" in done.err
    assert (tmp_path / "holiday" / "me.jpg").read_bytes() == b"precious"


@pytest.mark.parametrize("name", ["..", "a/b", "/tmp/x", ".hidden"])
def test_names_that_are_no_folder_names(tlk, tiny_options, photos, tmp_path, name):
    done = tlk("fit", photos, *tiny_options, "--runs-dir", tmp_path / "runs", "--name", name)
    assert done.code == 1 and "cannot be a run's name" in done.err and not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_a_full_disk_is_explained_and_what_was_trained_can_go_on(tlk, photos, tiny_options, tmp_path):
    # A limit on the size of files is the nearest to a full disk that needs no privileges.
    code = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "from tl_keras.cli.main import main\n"
        "main()"
    )
    command = [sys.executable, "-c", code, "fit", photos, *tiny_options, "--runs-dir", tmp_path / "runs"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 1
    assert "Error: Cannot write" in done.stderr and "Traceback" not in done.stderr
    assert "resume with: tlk resume" in done.stderr and left_in(tmp_path / "runs") == [".unfinished"]
    assert tlk("resume", tmp_path / "runs" / "photos-mobilenet").code == 0


def test_a_mixed_folder_trains_and_lists_exactly_the_broken_files(tlk, tiny_options, tmp_path):
    data = class_folders(tmp_path / "我的 照片", classes=2, per_class=12)
    red = data / "red"
    (red / "text.jpg").write_text("this is not an image")
    (red / "empty.jpg").write_bytes(b"")
    (red / "truncated.jpg").write_bytes(encoded(noisy_image(99, (300, 200)))[:2000])
    (red / "cmyk.jpg").write_bytes(encoded(noisy_image(1).convert("CMYK")))
    deep = (np.asarray(noisy_image(2).convert("L")).astype(np.uint16) << 8) + 7
    from PIL import Image

    Image.fromarray(deep).save(red / "sixteen.png")
    noisy_image(3).save(red / "web.webp")
    (red / "turned.jpg").write_bytes(encoded(noisy_image(4), exif=exif(6)))
    noisy_image(5).save(red / "a name with spaces 与汉字.jpg")
    to = ("--runs-dir", tmp_path / "runs", "--name", "混合")
    refused = tlk("fit", data, *tiny_options, *to)
    assert refused.code == 1 and "--set data.max_bad=0.1\n" in refused.err
    assert tlk("fit", data, *tiny_options, *to, "--set", "data.on_bad=fail").code == 1
    done = tlk("fit", data, *tiny_options, *to, "--set", "data.max_bad=0.1")
    assert done.code == 0, done.err
    assert "3 of 32 images cannot be read and are left out" in done.err
    with (tmp_path / "runs" / "混合" / "manifest.csv").open(newline="", encoding="utf-8") as file:
        broken = {Path(row["path"]).name: row["problem"] for row in csv.DictReader(file) if row["problem"]}
    assert set(broken) == {"text.jpg", "empty.jpg", "truncated.jpg"}
    assert all(name in done.err for name in broken)
    answered = tlk(
        "predict", tmp_path / "runs" / "混合", red / "turned.jpg", red / "a name with spaces 与汉字.jpg"
    )
    assert answered.code == 0 and "与汉字" in answered.out


def test_val_is_reported_as_used_for_selection_where_there_is_no_test(tlk, tiny_options, tmp_path):
    class_folders(tmp_path / "data" / "train", classes=2, per_class=6)
    class_folders(tmp_path / "data" / "val", classes=2, per_class=3, seed=50)
    done = tlk("fit", tmp_path / "data", *tiny_options, "--runs-dir", tmp_path / "runs")
    assert done.code == 0, done.err
    assert "val accuracy" in done.out and "also used to choose the best epoch" in done.out


def test_multilabel_from_a_manifest(tlk, tiny_options, tmp_path):
    data = class_folders(tmp_path / "data", classes=2, per_class=12)
    lines = ["path,label"]
    lines += [f"{path.relative_to(data)},{path.parent.name}" for path in sorted(data.rglob("*.jpg"))]
    for index in range(6):
        noisy_image(500 + index).save(data / f"both_{index}.jpg")
        lines.append(f"both_{index}.jpg,green|red")
    (data / "labels.csv").write_text("\n".join(lines))
    done = tlk(
        "fit", data / "labels.csv", *tiny_options, "--task", "multilabel", "--runs-dir", tmp_path / "runs"
    )
    assert done.code == 0, done.err
    run = tmp_path / "runs" / "labels.csv-mobilenet"
    answer = tlk("predict", run, data / "both_0.jpg", "--json")
    scores = {c["label"]: c["score"] for c in json.loads(answer.out)["classes"]}
    assert set(scores) == {"green", "red"}
    assert tlk("evaluate", run).code == 0


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--backbone", "ResNet5"), "Did you mean 'ResNet50'"),
        (("--backbone", "InceptionV3"), "data.image_size is 32, but InceptionV3 needs at least 75"),
        (("--backbone-option", "beta=3"), "has no option 'beta'"),
        (("--weights", "nowhere.weights.h5"), "nowhere.weights.h5"),
        (("--set", "head.dropot=1"), "Did you mean 'dropout'"),
        (("--set", "head.dropout"), "Expected PATH=VALUE"),
        (("--config", "nowhere.yaml"), "nowhere.yaml"),
        (("--epochs", "0"), "train.epochs"),
        (("--set", "train.class_weight={redd: 2}"), "there is no class 'redd'. Did you mean 'red'"),
        (("--resize", "stretch"), "'squash', 'crop' or 'pad'"),
    ],
)
def test_wrong_settings_are_explained_and_leave_nothing(
    tlk, photos, tiny_options, tmp_path, options, expected
):
    done = tlk("fit", photos, *tiny_options, "--runs-dir", tmp_path / "runs", *options)
    assert done.code == 1
    assert expected in done.err
    assert len(done.err.strip().splitlines()) <= 6 and "Traceback" not in done.err
    assert left_in(tmp_path / "runs") == []


def left_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name != ".locks"] if folder.is_dir() else []


def one_class(data: Path) -> None:
    class_folders(data, classes=1)


def no_images(data: Path) -> None:
    (data / "cats").mkdir(parents=True)
    (data / "dogs").mkdir()


def images_in_no_folder(data: Path) -> None:
    data.mkdir()
    noisy_image(1).save(data / "a.jpg")


def an_empty_class(data: Path) -> None:
    class_folders(data, classes=2)
    (data / "cats").mkdir()


def a_class_that_train_lacks(data: Path) -> None:
    class_folders(data / "train", classes=2)
    class_folders(data / "val", classes=3)


def only_broken_images(data: Path) -> None:
    class_folders(data, classes=2)
    (data / "cats").mkdir()
    for index in range(5):
        (data / "cats" / f"{index}.jpg").write_text("no image")


def two_images_of_a_class(data: Path) -> None:
    class_folders(data, classes=2)
    (data / "cats").mkdir()
    for index in range(2):
        noisy_image(index).save(data / "cats" / f"{index}.png")


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (one_class, "at least two classes"),
        (no_images, "No images in the class folder"),
        (images_in_no_folder, "found 1 image directly in it"),
        (an_empty_class, "No images in the class folder"),
        (a_class_that_train_lacks, "val has classes that train lacks: 'blue'"),
        (only_broken_images, "5 of 21 images cannot be read"),
        (two_images_of_a_class, "'cats' has 2"),
    ],
)
def test_wrong_folders_are_explained_and_leave_nothing(tlk, tiny_options, tmp_path, make, expected):
    make(tmp_path / "data")
    done = tlk("fit", tmp_path / "data", *tiny_options, "--runs-dir", tmp_path / "runs")
    assert done.code == 1
    assert expected in done.err and "Traceback" not in done.err
    assert left_in(tmp_path / "runs") == []


def test_one_pixel_images_train(tlk, tiny_options, tmp_path):
    class_folders(tmp_path / "data", classes=2, per_class=6, size=(1, 1))
    assert tlk("fit", tmp_path / "data", *tiny_options, "--runs-dir", tmp_path / "runs").code == 0


def test_all_augmentation_at_once_trains(tlk, photos, tiny_options, tmp_path):
    settings = ["flip=horizontal", "rotation=10", "zoom=0.1", "translation=0.1", "color_jitter=0.2",
                "random_resized_crop=0.3", "rand_augment=0.2", "mixup=0.2", "cutmix=0.5"]  # fmt: skip
    named = [part for setting in settings for part in ("--set", f"augment.{setting}")]
    weights = ("--set", "train.class_weight=balanced", "--set", "train.label_smoothing=0.1")
    done = tlk("fit", photos, *tiny_options, *named, *weights, "--runs-dir", tmp_path)
    assert done.code == 0, done.err


def test_tensorboard_logs_are_written_when_asked_for(tlk, photos, tiny_options, tmp_path):
    done = tlk("fit", photos, *tiny_options, "--set", "runtime.tensorboard=true", "--runs-dir", tmp_path)
    assert done.code == 0, done.err
    assert list(tmp_path.rglob("events.out.tfevents*"))


def test_a_read_only_place_is_explained(tlk, photos, tiny_options):
    done = tlk("fit", photos, *tiny_options, "--runs-dir", "/proc/nowhere")
    assert done.code == 1 and "Cannot write into /proc" in done.err and "Traceback" not in done.err


def test_a_tensorflow_dataset_on_disk(tlk, tiny_options, tmp_path):
    from tests.data.tiny_datasets import TlkTiny

    TlkTiny(data_dir=str(tmp_path / "tfds")).download_and_prepare()
    inspected = tlk_process("inspect", "tfds:tlk_tiny", "--data-dir", tmp_path / "tfds", "--json")
    assert json.loads(inspected.out)["images"] == 21, "though its code is not there"
    done = tlk("fit", "tfds:tlk_tiny", "--data-dir", tmp_path / "tfds", *tiny_options,
               "--runs-dir", tmp_path / "runs", "--json")  # fmt: skip
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["split"] == "test" and found["evaluation"]["images"] == 3
    assert [c["name"] for c in found["evaluation"]["classes"]] == ["sea urchin", "a/b", "猫"]
