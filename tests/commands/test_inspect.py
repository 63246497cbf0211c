"""`tlk inspect`, as a user types it, and `tlk fit` after it."""

from __future__ import annotations

import csv
import json
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from tests.commands.tlk import ROOT, tlk_process
from tests.images import class_folders, encoded, noisy_image, spoiled
from tests.shared import SHARED


@pytest.fixture
def data(tmp_path, monkeypatch) -> Path:
    """Two classes of 20 images in 我的 照片, and an empty folder to work in."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return class_folders(tmp_path / "我的 照片", per_class=20, size=(80, 64), blotch=16)


def rows(file: Path) -> list[dict[str, str]]:
    with file.open(newline="", encoding="utf-8-sig") as lines:
        return list(csv.DictReader(lines))


def test_nothing_found(tlk, data):
    done = tlk("inspect", data, "--image-size", 64)
    assert done.code == 0 and "40 images in 2 classes" in done.out and "Nothing found" in done.out
    assert not list(Path().iterdir())


def test_findings_are_summed_up_and_listed(tlk, data):
    broken = spoiled(data / "red")
    before = {path: path.read_bytes() for path in data.rglob("*") if path.is_file()}
    done = tlk("inspect", data, "--image-size", 64, "--sheet", "sheet.png")
    assert done.code == 3
    assert "ERROR  truncated or damaged files (6)" in done.out and "... and 3 more" in done.out
    assert "tlk fit leaves them out" in done.out and "12 errors" in done.out
    listed = {Path(row["path"]).name: row["kind"] for row in rows(Path("issues.csv"))}
    assert listed == broken
    with Image.open("sheet.png") as sheet:
        assert sheet.width > 1000 and sheet.height > 1000
    assert {path: path.read_bytes() for path in data.rglob("*") if path.is_file()} == before


def test_an_edited_table_is_never_replaced(tlk, data):
    (data / "red" / "empty.jpg").write_bytes(b"")
    assert [tlk("inspect", data).code for _ in range(3)] == [3, 3, 3]
    assert {path.name for path in Path().iterdir()} == {"issues.csv", "issues-2.csv", "issues-3.csv"}
    again = tlk("inspect", data, "--issues", "issues.csv")
    assert again.code == 1 and "--overwrite" in again.err
    assert tlk("inspect", data, "--issues", "issues.csv", "--overwrite").code == 3
    assert "no folder" in tlk("inspect", data, "--issues", "no/where.csv").err


def test_wrong_names_are_refused_before_the_work_and_an_old_table_does_not_stay(tlk, data):
    refused = tlk("inspect", data, "--sheet", "sheet.tif")
    assert refused.code == 1 and "sheet named .png" in refused.err and not list(Path().iterdir())
    Path("i.csv").write_text("old")
    assert tlk("inspect", data, "--image-size", 64, "--issues", "i.csv", "--overwrite").code == 0
    assert rows(Path("i.csv")) == []


def test_what_was_found_is_told_where_nothing_can_be_written(tlk, data, monkeypatch):
    (data / "red" / "empty.jpg").write_bytes(b"")
    monkeypatch.chdir("/proc")
    done = tlk("inspect", data)
    assert done.code == 3 and "empty files (1)" in done.out and "could not be written" in done.err


def test_what_it_works_with_is_never_overwritten(tlk, data):
    paths = [f"{path},{path.parent.name}" for path in sorted(data.rglob("*.jpg"))]
    Path("labels.csv").write_text("\n".join(["path,label", *paths]))
    Path("mine.csv").write_text(f"path\n{data / 'red' / 'red_00.jpg'}\n")
    before = [Path(name).read_text() for name in ("labels.csv", "mine.csv")]
    for arguments in (
        ("labels.csv", "--issues", "labels.csv"),
        ("labels.csv", "--exclude", "mine.csv", "--issues", "./mine.csv"),
        (data, "--issues", "a.png", "--sheet", "a.png"),
        (data, "--issues", "."),
    ):
        done = tlk("inspect", *arguments, "--overwrite")
        assert done.code == 1
        assert "Choose another name" in done.err or "is a folder" in done.err
    assert [Path(name).read_text() for name in ("labels.csv", "mine.csv")] == before


def test_names_cannot_command_the_terminal(tlk, data):
    (data / "red" / "\x1b[31mred\nERROR fake.jpg").write_bytes(b"")
    for done in (tlk("inspect", data), tlk("fit", data, "--set", "data.on_bad=fail", "--backbone", "Tiny")):
        shown = done.out + done.err
        assert "\x1b[31m" not in shown and "\\x1b[31mred\\nERROR fake.jpg" in shown


def test_a_sheet_without_pictures_is_no_sheet(tlk, data):
    shutil.rmtree(data / "red")
    done = tlk("inspect", data, "--image-size", 64, "--sheet", "sheet.png")
    assert done.code == 3 and "sheet.png was not written" in done.err and not Path("sheet.png").exists()


def test_a_closed_output_is_no_crash(data):
    command = [sys.executable, "-m", "tl_keras", "inspect", str(data), "--image-size", "64"]
    done = subprocess.run(
        ["sh", "-c", f"{shlex.join(command)} >&-"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0 and "Traceback" not in done.stderr


def test_a_table_that_leaves_nothing_is_named(tlk, data):
    Path("all.csv").write_text("\n".join(["path", *map(str, data.rglob("*.jpg"))]))
    done = tlk("fit", data, "--exclude", "all.csv", "--backbone", "Tiny")
    assert done.code == 1 and "all.csv leaves out" in done.err


def test_labels_without_images(tlk, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("none.csv").write_text("path,label\na.jpg,\n")
    assert tlk("inspect", "none.csv", "--labels", "--backbone", "Tiny").code == 3


def test_json(tlk, data):
    (data / "red" / "empty.jpg").write_bytes(b"")
    done = tlk("inspect", data, "--image-size", 64, "--json")
    found = json.loads(done.out)
    assert done.code == 3 and found["kinds"] == {"empty_file": 1} and found["issues"] == "issues.csv"
    assert found["classes"] == {"green": {"": 20}, "red": {"": 20}} and found["readable"] == 40
    assert found["findings"][0]["path"] == str(data / "red" / "empty.jpg")


def test_one_class_is_inspected_all_the_same(tlk, data):
    shutil.rmtree(data / "red")
    done = tlk("inspect", data, "--image-size", 64)
    assert done.code == 3 and "20 images in 1 class\n" in done.out and "Traceback" not in done.err


@pytest.mark.parametrize(("source", "words"), [("no/where", "Not found"), (".", "one folder per class")])
def test_what_cannot_be_inspected(tlk, tmp_path, monkeypatch, source, words):
    monkeypatch.chdir(tmp_path)
    done = tlk("inspect", source)
    assert done.code == 1 and words in done.err and not list(Path().iterdir())


def test_a_manifest_whose_paths_lead_elsewhere(tlk, data):
    names = [path.name for path in sorted((data / "red").iterdir())]
    table = data / "red.csv"
    table.write_text("path,label\n" + "".join(f"{name},{'ab'[n % 2]}\n" for n, name in enumerate(names)))
    done = tlk("inspect", table, "--image-size", 64)
    assert done.code == 3 and "files that are not there (20)" in done.out
    assert f"red/{names[0]}" in done.err and "tlk fit" not in done.err


def test_tensorflow_is_not_loaded(data):
    done = tlk_process("inspect", data, "--image-size", "64", PYTHONPROFILEIMPORTTIME="1")
    loaded = {line.rpartition("|")[2].strip() for line in done.err.splitlines()}
    assert done.code == 0 and "imagehash" in loaded and "tensorflow" not in loaded


def test_wrong_labels_are_found_relabelled_and_the_fit_obeys(tlk, tiny_options, data):
    """Colours tell the classes apart: two images in the wrong folder, one of no class."""
    for name in ("red_00.jpg", "red_01.jpg"):
        shutil.move(data / "red" / name, data / "green" / name)
    (data / "green" / "other.jpg").write_bytes(encoded(noisy_image(7, (80, 64), (120, 120, 120))))
    network = ("--backbone", "Tiny", "--image-size", 32)
    done = tlk("inspect", data, "--labels", *network)
    assert done.code == 0
    found = rows(Path("issues.csv"))
    wrong = {Path(row["path"]).name: row for row in found if row["kind"] == "wrong_label"}
    assert {"red_00.jpg", "red_01.jpg"} <= set(wrong) and wrong["red_00.jpg"]["new_label"] == "red"
    edited = Path("edited.csv")
    with edited.open("w", newline="", encoding="utf-8") as lines:
        writer = csv.DictWriter(lines, list(found[0]))
        writer.writeheader()
        for row in found:
            name = Path(row["path"]).name
            writer.writerow(row | {"action": "relabel" if name == "red_00.jpg" else "", "split": ""})
        writer.writerow(
            dict.fromkeys(found[0], "") | {"path": data / "green" / "other.jpg", "action": "exclude"}
        )
    again = tlk("inspect", data, "--labels", *network, "--exclude", edited, "--json")
    left = [Path(f["path"]).name for f in json.loads(again.out)["findings"] if f["kind"] == "wrong_label"]
    assert "red_01.jpg" in left and "red_00.jpg" not in left
    done = tlk("fit", data, *tiny_options, "--exclude", edited, "--name", "x", "--runs-dir", "runs")
    assert done.code == 0, done.err
    manifest = {Path(row["path"]).name: row for row in rows(Path("runs/x/manifest.csv"))}
    assert manifest["red_00.jpg"]["label"] == "red" and manifest["red_01.jpg"]["label"] == "green"
    assert manifest["other.jpg"]["problem"] == "excluded by edited.csv"
    edited.unlink()  # the run has what it needs to be repeated, wherever it is moved
    Path("runs/x").rename("moved")
    again = tlk("fit", "--config", "moved/config.yaml", "--name", "y", "--runs-dir", "runs")
    assert again.code == 0, again.err
    repeated = {Path(row["path"]).name: row for row in rows(Path("runs/y/manifest.csv"))}
    assert repeated["red_00.jpg"]["label"] == "red" and repeated["other.jpg"]["problem"]
    assert tlk("evaluate", "runs/y").code == 0


def test_fit_leaves_copies_out_and_keeps_near_ones_together(tlk, tiny_options, data):
    shutil.copy(data / "red" / "red_00.jpg", data / "red" / "again.jpg")
    shutil.copy(data / "red" / "red_01.jpg", data / "green" / "conflict.jpg")
    for number in range(2, 8):
        with Image.open(data / "red" / f"red_{number:02d}.jpg") as image:
            image.resize((60, 48)).save(data / "red" / f"near_{number:02d}.jpg", quality=70)
    done = tlk("fit", data, *tiny_options, "--name", "x", "--runs-dir", "runs")
    assert done.code == 0, done.err
    manifest = {Path(row["path"]).name: row for row in rows(Path("runs/x/manifest.csv"))}
    left_out = {name: row["problem"].partition(":")[0] for name, row in manifest.items() if row["problem"]}
    conflict = "the same image has other labels too"
    assert left_out == {
        "red_00.jpg": f"copy of {data / 'red' / 'again.jpg'}",
        "red_01.jpg": conflict,
        "conflict.jpg": conflict,
    }
    for number in range(2, 8):
        one, other = manifest[f"red_{number:02d}.jpg"], manifest[f"near_{number:02d}.jpg"]
        assert one["split"] == other["split"] and one["group"] == other["group"] != ""
    assert "12 of them are in 6 groups" in done.err and "exact copies of others" in done.err


def test_leaked_images_and_the_accuracy_without_them(tlk, tiny_options, tmp_path):
    data = tmp_path / "data"
    for number, split in enumerate(("train", "val", "test")):
        class_folders(data / split, per_class=8, seed=100_000 * number, size=(80, 64))
    for name in ("green_00.jpg", "green_01.jpg"):
        shutil.copy(data / "train" / "green" / name, data / "test" / "green" / f"leaked_{name}")
    done = tlk("fit", data, *tiny_options, "--name", "x", "--runs-dir", tmp_path / "runs")
    assert done.code == 0 and "of 2 images of val or test there are copies" in done.err
    assert "18 images (2 of them, or copies or relatives, were trained on; without these " in done.out
    metrics = json.loads((tmp_path / "runs" / "x" / "metrics.json").read_text())
    predictions = rows(tmp_path / "runs" / "x" / "predictions.csv")
    clean = [int(row["correct"]) for row in predictions if "leaked" not in Path(row["path"]).name]
    assert metrics["without_leaked"]["images"] == len(clean) == 16
    assert metrics["without_leaked"]["accuracy"] == pytest.approx(sum(clean) / len(clean))
    assert "without these" in tlk("evaluate", tmp_path / "runs" / "x").out


def test_groups_by_name_and_few_shots(tlk, tiny_options, data):
    named = ("--group-by", r"_(\d)\d", "--limit-per-class", 3, "--name", "x", "--runs-dir", "runs")
    done = tlk("fit", data, *tiny_options, *named)
    assert done.code == 1 and "'green' has 2" in done.err
    named = ("--group-by", r"(\d)\.jpg", *named[2:])
    done = tlk("fit", data, *tiny_options, *named)
    assert done.code == 0, done.err
    manifest = rows(Path("runs/x/manifest.csv"))
    homes = {(row["group"], row["split"]) for row in manifest}
    assert len(homes) == len({group for group, _ in homes}) == 10
    trained = Counter(row["label"] for row in manifest if row["split"] == "train" and not row["problem"])
    assert trained == {"red": 3, "green": 3}


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"no real photos in {SHARED}")
def test_ants_and_bees_as_they_lie(tlk, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = tlk("inspect", SHARED / "datasets" / "ants_bees", "--json")
    found = json.loads(done.out)
    assert done.code == 0 and found["images"] == found["readable"] == 398
    assert found["kinds"] == {"hidden_files": 1, "palette": 1}
    assert {Path(f["path"]).name for f in found["findings"]} == {"ants_bees", "imageNotFound.gif"}
