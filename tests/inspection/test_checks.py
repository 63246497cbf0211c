"""Every kind of finding about files, copies and classes, each from files really made that way."""

from __future__ import annotations

import shutil
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.images import class_folders, encoded, noisy_image, peculiar, split_folders, spoiled
from tl_keras.config.loading import load_config
from tl_keras.data.example import Example
from tl_keras.data.images.facts import FACTS
from tl_keras.errors import SkipReason
from tl_keras.inspection.checks import file_findings
from tl_keras.inspection.examine import ExaminedImages
from tl_keras.inspection.result import Inspection
from tl_keras.workflows.inspect import inspect


@pytest.fixture
def inspected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A function of (source, settings) that inspects in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def run(source: Path, **settings: Any) -> Inspection:
        named = {f"data.{name}": value for name, value in settings.items()}
        return inspect(source, load_config(overrides={"data.image_size": 32, **named})).inspection

    return run


def by_name(found: Inspection) -> dict[str, set[str]]:
    """Return file name -> kinds of findings about it."""
    names = defaultdict(set)
    for finding in found.findings:
        names[Path(finding.path).name].add(finding.kind.name)
    return dict(names)


def kinds(found: Inspection) -> dict[str, int]:
    return {name: len(same) for name, same in found.by_kind().items() if name != "small_class"}


def test_files_that_cannot_be_read(tmp_path: Path, inspected) -> None:
    data = class_folders(tmp_path / "data", per_class=20)
    expected = spoiled(data / "red")
    found = inspected(data)
    assert by_name(found) == {name: {kind} for name, kind in expected.items()}
    assert found.images == 40 + len(expected) and found.readable == 40
    assert found.severities == {"error": len(expected)}


def test_every_fault_has_its_kind() -> None:
    """Also those that cannot be made everywhere: root may read all files, and disks seldom fail."""
    expected = {
        SkipReason.MISSING: "missing_file",
        SkipReason.NO_PERMISSION: "no_permission",
        SkipReason.FOLDER: "not_an_image",
        SkipReason.UNREADABLE: "unreadable",
        SkipReason.EMPTY: "empty_file",
        SkipReason.NOT_AN_IMAGE: "not_an_image",
        SkipReason.DAMAGED: "damaged_file",
        SkipReason.TOO_LARGE: "too_large",
    }
    assert {reason for reason in SkipReason if reason.is_fault} == set(expected)
    examples = tuple(Example(f"/{reason.name}.jpg", "a", skipped=reason) for reason in SkipReason)
    found = file_findings(ExaminedImages(examples, np.zeros(len(examples), FACTS)), 32, "data")
    assert {Path(finding.path).stem: finding.kind.name for finding in found} == {
        reason.name: kind for reason, kind in expected.items()
    }


def test_images_worth_a_remark(tmp_path: Path, inspected) -> None:
    data = class_folders(tmp_path / "data", per_class=20)
    expected = peculiar(data / "red")
    found = inspected(data)
    assert by_name(found) == expected
    assert found.readable == found.images == 40 + len(expected) and not found.severities["error"]


def test_a_folder_in_order(tmp_path: Path, inspected) -> None:
    found = inspected(class_folders(tmp_path / "data", per_class=20))
    assert found.findings == () and not list(tmp_path.glob("*.csv"))


def test_the_limit_of_pixels_can_be_set_and_changed(tmp_path: Path, inspected) -> None:
    data = class_folders(tmp_path / "data", per_class=20)
    noisy_image(5, (200, 100)).save(data / "red" / "large.png")
    assert inspected(data).findings == ()
    assert by_name(inspected(data, max_megapixels=0.01)) == {"large.png": {"too_large"}}
    assert inspected(data).findings == ()


def test_what_most_images_have_is_one_finding(tmp_path: Path, inspected) -> None:
    data = class_folders(tmp_path / "data", per_class=20)
    (small,) = inspected(data, image_size=224).findings
    assert small.kind.name == "far_too_small" and small.detail.startswith("40 of 40 images, such as ")


def test_copies(tmp_path: Path, inspected) -> None:
    data = class_folders(tmp_path / "data", per_class=20, size=(80, 64), blotch=16)
    shutil.copy(data / "red" / "red_00.jpg", data / "red" / "again.jpg")
    shutil.copy(data / "red" / "red_01.jpg", data / "green" / "other_label.jpg")
    recoded(data / "red" / "red_02.jpg", data / "red" / "smaller.jpg")
    recoded(data / "red" / "red_03.jpg", data / "green" / "smaller.jpg")
    found = inspected(data)
    assert kinds(found) == {"other_label": 1, "exact_copy": 1, "near_duplicate": 1, "near_conflict": 1}
    copy = found.by_kind()["near_duplicate"][0]
    assert {Path(copy.path).name, Path(copy.other).name} == {"red_02.jpg", "smaller.jpg"}


def test_leaks_across_the_users_own_splits(tmp_path: Path, inspected) -> None:
    data = split_folders(tmp_path / "data", {"train": 20, "val": 20, "test": 20}, size=(80, 64), blotch=16)
    shutil.copy(data / "train" / "red" / "red_00.jpg", data / "test" / "red" / "again.jpg")
    recoded(data / "train" / "red" / "red_01.jpg", data / "val" / "red" / "smaller.jpg")
    found = inspected(data)
    assert kinds(found) == {"leak": 1, "near_leak": 1}
    (leak,) = found.by_kind()["leak"]
    assert leak.path.endswith("again.jpg") and leak.split == "test" and leak.other.endswith("red_00.jpg")


def test_groups_across_the_users_own_splits(tmp_path: Path, inspected) -> None:
    data = split_folders(tmp_path / "data", {"train": 20, "val": 20})
    found = inspected(data, group_by=r"(red_0[01])")
    assert [Path(f.path).name for f in found.by_kind()["group_leak"]] == ["red_00.jpg", "red_01.jpg"]


def test_classes(tmp_path: Path, inspected) -> None:
    data = class_folders(tmp_path / "data", classes=3, per_class=60)
    for folder, kept in (("red", 2), ("green", 10)):
        for path in sorted((data / folder).iterdir())[kept:]:
            path.unlink()
    found = inspected(data)
    assert {(f.kind.name, f.label) for f in found.findings} == {
        ("few_images", "red"),
        ("small_class", "green"),
        ("imbalance", "red"),
    }
    assert found.classes == {"blue": {"": 60}, "green": {"": 10}, "red": {"": 2}}


def recoded(source: Path, target: Path) -> None:
    """Write a copy at 70 % of the size and JPEG quality 60."""
    with Image.open(source) as image:
        smaller = image.resize((image.width * 7 // 10, image.height * 7 // 10), Image.Resampling.BICUBIC)
    target.write_bytes(encoded(smaller, quality=60))


def test_every_leaked_image_is_named_in_whatever_order_they_come(tmp_path: Path, inspected) -> None:
    data = split_folders(tmp_path / "data", {"train": 20, "val": 20, "test": 20}, size=(80, 64), blotch=16)
    original = data / "train" / "red" / "red_02.jpg"
    for split in ("val", "test"):
        shutil.copy(original, data / split / "red" / f"{split}.jpg")
        recoded(original, data / split / "green" / f"{split}.jpg")
        shutil.copy(data / split / "green" / f"{split}.jpg", data / split / "green" / f"{split}_again.jpg")
    table = tmp_path / "backwards.csv"
    images = sorted(data.rglob("*.jpg"), key=lambda path: ("test", "val", "train").index(path.parts[-3]))
    rows = [f"{path},{path.parent.name},{path.parts[-3]}" for path in images]
    table.write_text("\n".join(["path,label,split", *rows]))
    found = inspected(table)
    named = {Path(f.path).name for f in found.findings if f.kind.name in ("leak", "near_leak")}
    assert named == {"val.jpg", "test.jpg", "val_again.jpg", "test_again.jpg"}


def test_look_alikes_may_be_ignored(tmp_path: Path, inspected) -> None:
    data = class_folders(tmp_path / "data", per_class=20, size=(80, 64), blotch=16)
    recoded(data / "red" / "red_02.jpg", data / "red" / "smaller.jpg")
    assert kinds(inspected(data)) == {"near_duplicate": 1}
    assert kinds(inspected(data, near_duplicates="ignore")) == {}


def test_a_class_of_which_nothing_is_left_without_conflicts_is_too_small(tmp_path: Path, inspected) -> None:
    data = class_folders(tmp_path / "data", per_class=20)
    shutil.rmtree(data / "green")
    shutil.copytree(data / "red", data / "green", ignore=shutil.ignore_patterns("red_1*"))
    found = inspected(data)
    assert kinds(found) == {"other_label": 10, "few_images": 1}
