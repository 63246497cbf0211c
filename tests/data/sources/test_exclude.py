"""A table leaves images out and gives others the right label."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.images import class_folders
from tl_keras.config.schema import Config, DataConfig
from tl_keras.data.example import Example
from tl_keras.data.sources import finding_kinds as kinds
from tl_keras.data.sources.exclude import apply_exclusions
from tl_keras.data.sources.read import read_source
from tl_keras.data.sources.source import ImageSource
from tl_keras.errors import ConfigError, DataError
from tl_keras.runs.resolve_settings import resolve


@pytest.fixture
def source(tmp_path: Path) -> ImageSource:
    examples = [Example(str(tmp_path / f"{n}.jpg"), label) for n, label in enumerate(["cat", "dog", "cow"])]
    return ImageSource(tuple(examples), ("cat", "cow", "dog"))


def applied(source: ImageSource, folder: Path, text: str, **options: Any) -> ImageSource:
    file = folder / "issues.csv"
    file.write_text(text, encoding="utf-8")
    return apply_exclusions(source, file, **options)


def refused(source: ImageSource, folder: Path, text: str, **options: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        applied(source, folder, text, **options)
    assert len(str(caught.value).splitlines()) <= 4
    return str(caught.value)


def state(source: ImageSource) -> list[tuple[str, str]]:
    return [(example.label, example.problem) for example in source.examples]


OUT = "excluded by issues.csv"


def test_a_list_of_paths(source: ImageSource, tmp_path: Path) -> None:
    changed = applied(source, tmp_path, f"path,reason\n0.jpg,blurred\n{tmp_path / '2.jpg'},dark\n")
    assert state(changed) == [("cat", OUT), ("dog", ""), ("cow", OUT)]
    assert changed.classes == ("dog",)
    assert changed.remarks == ("2 images left out and 0 relabeled by issues.csv",)


def test_actions(source: ImageSource, tmp_path: Path) -> None:
    text = "kind;path;action;new_label\nx;0.jpg;Exclude;\nx;1.jpg;keep;\ny;1.jpg;;\nx;2.jpg;relabel; bird \n"
    changed = applied(source, tmp_path, text)
    assert state(changed) == [("cat", OUT), ("dog", ""), ("bird", "")]
    assert changed.classes == ("bird", "dog")
    assert changed.remarks == ("1 image left out and 1 relabeled by issues.csv",)


def test_nothing_to_do(source: ImageSource, tmp_path: Path) -> None:
    assert applied(source, tmp_path, "path,action\n0.jpg,\n1.jpg,keep\nnone.jpg,\n,\n") == source


def test_several_rows_about_one_image(source: ImageSource, tmp_path: Path) -> None:
    changed = applied(source, tmp_path, "path,action\n0.jpg,\n0.jpg,exclude\n0.jpg,keep\n./0.jpg,exclude\n")
    assert state(changed)[0] == ("cat", OUT)


def test_the_order_of_classes_that_has_a_meaning(source: ImageSource, tmp_path: Path) -> None:
    text = "path,action,new_label\n0.jpg,exclude,\n2.jpg,relabel,ant\n"
    assert applied(source, tmp_path, text, ordered=True).classes == ("dog", "ant")


def test_several_labels(source: ImageSource, tmp_path: Path) -> None:
    text = "path,action,new_label\n0.jpg,relabel,dog| cat |\n"
    changed = applied(source, tmp_path, text, multilabel=True)
    assert changed.examples[0].labels == ("cat", "dog")
    assert "'dog| cat |' names several classes" in refused(source, tmp_path, text)


def test_paths_that_are_not_there(source: ImageSource, tmp_path: Path) -> None:
    changed = applied(source, tmp_path, "path,action\nx.jpg,exclude\ny.jpg,keep\n")
    assert [finding.kind for finding in changed.findings] == [kinds.UNMATCHED_EXCLUSIONS]
    assert f"1 path in issues.csv not among the images: '{tmp_path / 'x.jpg'}'" in changed.remarks[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("path,action\n0.jpg,\n1.jpg,exlude\n", "line 3: expected the action keep, exclude or relabel"),
        ("path,action\n1.jpg,exlude\n", "found 'exlude'. Did you mean 'exclude'?"),
        ("path,action,new_label\n1.jpg,relabel,\n", "line 2: relabel needs"),
        ("path,action\n1.jpg,relabel\n", "line 2: relabel needs"),
        (
            "path,action,new_label\n1.jpg,exclude,\n1.jpg,relabel,cat\n",
            "line 3: relabel to 'cat' for '1.jpg' here and exclude before",
        ),
        (
            "path,action,new_label\n1.jpg,relabel,ox\n1.jpg,relabel,cat\n",
            "line 3: relabel to 'cat' for '1.jpg' here and relabel to 'ox' before",
        ),
        ("path,action\n,exclude\n", "line 2: the path is empty"),
        ('path,action,new_label\n1.jpg,relabel,"a\nb"\n', "line 2: class names must be one line"),
        ("paths,action\n1.jpg,exclude\n", "no column 'path'. Did you mean 'paths'?"),
        ("", "no column 'path'"),
    ],
)
def test_errors(source: ImageSource, tmp_path: Path, text: str, expected: str) -> None:
    message = refused(source, tmp_path, text)
    assert message.startswith("data.exclude: ")
    assert expected in message


def test_a_table_that_cannot_be_read(source: ImageSource, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not found"):
        apply_exclusions(source, tmp_path / "none.csv")
    with pytest.raises(DataError, match="quotation mark"):
        applied(source, tmp_path, 'path\n"0.jpg\n')


class TestReadSource:
    def read(self, data: Path, rows: str, **changes: Any) -> ImageSource:
        (data.parent / "issues.csv").write_text(f"path,action,new_label\n{rows}", encoding="utf-8")
        exclude = str(data.parent / "issues.csv")
        return read_source(DataConfig(source=str(data), exclude=exclude), **changes)

    def test_a_folder(self, tmp_path: Path) -> None:
        data = class_folders(tmp_path / "data", classes=3, per_class=2)
        rows = (
            "data/red/red_00.jpg,exclude,\n"
            "data/red/red_01.jpg,relabel,green\n"
            "data/blue/blue_00.jpg,exclude,\n"
        )
        found = self.read(data, rows)
        assert found.classes == ("blue", "green")
        assert Counter(example.label for example in found.examples if example.is_used) == {
            "blue": 1,
            "green": 3,
        }

    def test_no_second_class_is_left(self, tmp_path: Path) -> None:
        data = class_folders(tmp_path / "data", per_class=1)
        with pytest.raises(DataError, match="at least two classes"):
            self.read(data, "data/red/red_00.jpg,exclude,\n")

    def test_excluded_images_are_in_no_split(self, tmp_path: Path) -> None:
        data = tmp_path / "labels.csv"
        rows = "1.jpg,cat,train\n2.jpg,dog,train\n3.jpg,cow,val\n4.jpg,cat,val\n5.jpg,dog,val\n"
        data.write_text(f"path,label,split\n{rows}", encoding="utf-8")
        with pytest.raises(DataError, match="'cow'"):
            self.read(data, "")
        assert self.read(data, "3.jpg,exclude,\n").classes == ("cat", "dog")

    @pytest.mark.parametrize("row", ["1.jpg,exclude,", "1.jpg,relabel,dog"])
    def test_a_conflict_is_settled(self, row: str, tmp_path: Path) -> None:
        data = tmp_path / "labels.csv"
        text = "path,label\n1.jpg,cat\n2.jpg,dog\n3.jpg,cat\n1.jpg,dog\n"
        data.write_text(text, encoding="utf-8")
        with pytest.raises(DataError, match="is labeled 'dog' here"):
            self.read(data, "")
        found = self.read(data, f"{row}\n")
        assert [finding.kind for finding in found.findings] == [kinds.EXCLUSIONS]

    def test_an_image_without_a_label_can_be_left_out(self, tmp_path: Path) -> None:
        data = tmp_path / "labels.csv"
        data.write_text("path,label\n1.jpg,cat\n2.jpg,dog\n3.jpg,\n", encoding="utf-8")
        assert self.read(data, "3.jpg,exclude,\n").findings == ()
        with pytest.raises(DataError, match=r"label of '3\.jpg' is empty"):
            self.read(data, "3.jpg,relabel,cat\n")


def test_the_path_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = Config(data=DataConfig(exclude="issues.csv"))
    assert resolve(config, "photos").data.exclude == str(tmp_path / "issues.csv")
    assert resolve(Config(), "photos").data.exclude is None
