"""Every kind of fault in folders and manifests is found, and told apart from what is only worth knowing."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.images import class_folders, split_folders
from tl_keras.config.schema import DataConfig
from tl_keras.data.findings import Finding, FindingKind
from tl_keras.data.sources import finding_kinds as kinds
from tl_keras.data.sources.read import read_source, require_no_errors
from tl_keras.data.sources.source import ImageSource
from tl_keras.errors import ConfigError, DataError

links = pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
KINDS = {kind.name: kind for kind in vars(kinds).values() if isinstance(kind, FindingKind)}


def inspect(source: Path | str, **changes: Any) -> ImageSource:
    return read_source(DataConfig(source=str(source), **changes), for_training=False)


def found(source: ImageSource, kind: FindingKind) -> list[Finding]:
    return [finding for finding in source.findings if finding.kind == kind]


def only(source: ImageSource, kind: FindingKind) -> Finding:
    """Return the one finding, and see that there is no other of any kind."""
    assert [finding.kind.name for finding in source.findings] == [kind.name]
    return source.findings[0]


def refused(source: Path | str, **changes: Any) -> str:
    with pytest.raises(DataError) as caught:
        read_source(DataConfig(source=str(source), **changes))
    assert len(str(caught.value).splitlines()) <= 4
    return str(caught.value)


def table(folder: Path, text: str, name: str = "labels.csv") -> Path:
    file = folder / name
    file.write_bytes(text.encode())
    return file


def labels(source: ImageSource) -> Counter[str]:
    return Counter(example.label for example in source.examples)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_kinds_are_worded_alike(kind: FindingKind) -> None:
    assert kind.title[0].islower()
    assert not kind.title.endswith(".")
    assert kind.meaning[0].isupper() and kind.meaning.endswith(".") and kind.fit.endswith(".")
    assert kind.fit.startswith("tlk fit ")
    assert ("refuses" in kind.fit) == (kind.severity == "error")


def test_names_of_kinds_are_the_names_of_constants() -> None:
    assert {name.upper() for name in KINDS} == {
        name for name, kind in vars(kinds).items() if isinstance(kind, FindingKind)
    }


class TestFolders:
    def test_nothing_to_find(self, tmp_path: Path) -> None:
        assert inspect(class_folders(tmp_path)).findings == ()
        assert inspect(split_folders(tmp_path / "s", {"train": 1, "val": 1, "test": 1})).findings == ()

    def test_hidden_and_system_files_are_for_inspect_only(self, tmp_path: Path) -> None:
        class_folders(tmp_path)
        (tmp_path / "__MACOSX" / "red").mkdir(parents=True)
        (tmp_path / "green" / "@eaDir").mkdir()
        for name in ("Thumbs.db", "red/desktop.ini", "red/.DS_Store", "red/._a.jpg", "red/._b.jpg"):
            (tmp_path / name).write_bytes(b"x")
        source = inspect(tmp_path)
        detail = only(source, kinds.HIDDEN_FILES).detail
        assert detail.startswith("7 hidden or system files ignored (")
        assert "(.DS_Store, ._*, @eaDir, Thumbs.db, __MACOSX, desktop.ini)" in detail
        assert len(source.examples) == 16
        assert source.remarks == ()

    def test_other_files(self, tmp_path: Path) -> None:
        class_folders(tmp_path)
        (tmp_path / "red" / "a.txt").write_bytes(b"x")
        assert only(inspect(tmp_path), kinds.OTHER_FILES).detail == "1 other file ignored (.txt)"

    def test_loose_images(self, tmp_path: Path) -> None:
        split_folders(tmp_path, {"train": 2, "val": 2})
        for name in ("a.jpg", "val/b.jpg", "val/c.png"):
            (tmp_path / name).write_bytes(b"x")
        loose = found(inspect(tmp_path), kinds.LOOSE_IMAGES)
        assert [(finding.path, finding.detail[:8]) for finding in loose] == [
            (str(tmp_path), "1 image "),
            (str(tmp_path / "val"), "2 images"),
        ]

    def test_stray_folders(self, tmp_path: Path) -> None:
        split_folders(tmp_path, {"train": 1, "val": 1})
        (tmp_path / "masks").mkdir()
        assert "'masks'" in only(inspect(tmp_path), kinds.STRAY_FOLDERS).detail

    def test_nested_images(self, tmp_path: Path) -> None:
        class_folders(tmp_path, per_class=4)
        for name in ("may", "june"):
            (tmp_path / "red" / name).mkdir()
            (tmp_path / "red" / f"red_0{len(name) - 3}.jpg").rename(tmp_path / "red" / name / "a.jpg")
        source = inspect(tmp_path)
        expected = "2 images in 2 folders below class folders count as the class's"
        assert only(source, kinds.NESTED_IMAGES).detail == expected
        assert labels(source) == {"green": 4, "red": 4}
        assert source.remarks == ()

    @pytest.mark.skipif(os.name == "nt", reason="file names are Unicode there")
    def test_unnameable_files(self, tmp_path: Path) -> None:
        class_folders(tmp_path)
        try:
            Path(os.fsdecode(os.fsencode(tmp_path) + b"/red/\xff.jpg")).write_bytes(b"x")
        except OSError:
            pytest.skip("this file system takes UTF-8 names only")
        assert "1 file ignored" in only(inspect(tmp_path), kinds.UNNAMEABLE_FILES).detail

    def test_all_empty_classes_are_found_and_the_others_listed(self, tmp_path: Path) -> None:
        class_folders(tmp_path)
        for name in ("a", "b", "c"):
            (tmp_path / name).mkdir()
        source = inspect(tmp_path)
        assert [(f.label, f.path) for f in found(source, kinds.EMPTY_CLASSES)] == [
            (name, str(tmp_path / name)) for name in "abc"
        ]
        assert source.classes == ("green", "red")
        message = refused(tmp_path)
        assert message.startswith(f"No images in the class folder {tmp_path / 'a'}.\n")
        assert message.endswith(f"And 2 more; all of them: tlk inspect {tmp_path}")

    def test_an_empty_class_in_a_split(self, tmp_path: Path) -> None:
        split_folders(tmp_path, {"train": 2, "val": 2})
        (tmp_path / "val" / "blue").mkdir()
        finding = only(inspect(tmp_path), kinds.EMPTY_CLASSES)
        assert (finding.label, finding.split) == ("blue", "val")
        assert "tlk inspect" not in refused(tmp_path)

    def test_doubled_splits(self, tmp_path: Path) -> None:
        split_folders(tmp_path, {"train": 2, "val": 1, "validation": 3})
        source = inspect(tmp_path)
        assert only(source, kinds.DOUBLED_SPLITS).path == str(tmp_path / "validation")
        assert Counter(example.split for example in source.examples) == {"train": 4, "val": 2}

    def test_splits_without_classes(self, tmp_path: Path) -> None:
        split_folders(tmp_path, {"train": 2, "val": 2})
        (tmp_path / "test").mkdir()
        (tmp_path / "test" / "1.jpg").write_bytes(b"x")
        source = inspect(tmp_path)
        assert only(source, kinds.SPLITS_WITHOUT_CLASSES).split == "test"
        assert len(source.examples) == 8

    def test_splits_that_all_lack_classes_cannot_be_listed(self, tmp_path: Path) -> None:
        (tmp_path / "train").mkdir()
        (tmp_path / "val").mkdir()
        with pytest.raises(DataError, match="Expected one folder per class"):
            inspect(tmp_path)

    @links
    def test_links_to_folders_below_a_class(self, tmp_path: Path) -> None:
        class_folders(tmp_path / "data")
        (tmp_path / "more").mkdir()
        (tmp_path / "data" / "red" / "loop").symlink_to(tmp_path / "data")
        (tmp_path / "data" / "red" / "more").symlink_to(tmp_path / "more")
        source = inspect(tmp_path / "data")
        expected = "2 links to folders not followed: 'red/loop', 'red/more'"
        assert only(source, kinds.UNFOLLOWED_LINKS).detail == expected
        assert len(source.examples) == 16

    @links
    def test_a_class_that_is_a_link_back(self, tmp_path: Path) -> None:
        class_folders(tmp_path)
        (tmp_path / "again").symlink_to(tmp_path)
        source = inspect(tmp_path)
        assert "'again'" in only(source, kinds.UNFOLLOWED_LINKS).detail
        assert source.classes == ("green", "red")

    @links
    def test_dead_links(self, tmp_path: Path) -> None:
        class_folders(tmp_path)
        (tmp_path / "blue").symlink_to(tmp_path / "none")
        (tmp_path / "red" / "itself").symlink_to(tmp_path / "red" / "itself")
        (tmp_path / "red" / "gone.jpg").symlink_to(tmp_path / "none.jpg")
        source = inspect(tmp_path)
        expected = "2 dead links ignored: 'blue', 'red/itself'"
        assert only(source, kinds.DEAD_LINKS).detail == expected
        assert str(tmp_path / "red" / "gone.jpg") in {example.path for example in source.examples}

    def test_namesakes(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "digits").mkdir()
        monkeypatch.chdir(tmp_path)
        assert only(inspect("digits"), kinds.NAMESAKES).path == str(tmp_path / "digits")


class TestClasses:
    @pytest.mark.parametrize(
        "names",
        [
            ("Cat", "cat"),
            ("polar_bear", "polar bear"),
            ("polar-bear", "PolarBear"),
            ("caf\u00e9", "cafe\u0301"),
        ],
    )
    def test_alike_classes(self, names: tuple[str, str], tmp_path: Path) -> None:
        first, second = names
        text = f"path,label\n1.jpg,{first}\n2.jpg,{second}\n3.jpg,{second}\n4.jpg,dog\n"
        finding = only(inspect(table(tmp_path, text)), kinds.ALIKE_CLASSES)
        assert finding.label in names and not finding.other
        assert f"{first!r} (1 image)" in finding.detail
        assert f"{second!r} (2 images)" in finding.detail

    @pytest.mark.skipif(os.name == "nt", reason="no such names on Windows")
    def test_a_space_at_the_end_of_a_folder(self, tmp_path: Path) -> None:
        class_folders(tmp_path, classes=3)
        (tmp_path / "blue").rename(tmp_path / "red ")
        assert "'red '" in only(inspect(tmp_path), kinds.ALIKE_CLASSES).detail

    def test_numbers_are_not_alike(self, tmp_path: Path) -> None:
        text = "path,label\n1.jpg,1-1\n2.jpg,11\n3.jpg,1 1 0\n4.jpg,110\n"
        assert inspect(table(tmp_path, text)).findings == ()

    @pytest.mark.skipif(os.name == "nt", reason="no such names on Windows")
    def test_names_that_cannot_be_used(self, tmp_path: Path) -> None:
        class_folders(tmp_path, classes=3)
        (tmp_path / "blue").rename(tmp_path / "red|blue")
        (tmp_path / "line\nbreak").mkdir()
        (tmp_path / "green" / "green_00.jpg").rename(tmp_path / "line\nbreak" / "a.jpg")
        source = inspect(tmp_path)
        assert [found(source, kind)[0].label for kind in (kinds.JOINED_CLASSES, kinds.BROKEN_CLASSES)] == [
            "red|blue",
            "line\nbreak",
        ]
        assert labels(source) == {"green": 7, "red": 8}
        assert source.classes == ("green", "red")
        assert "And 1 of other kinds; all of them: tlk inspect" in refused(tmp_path)

    def test_one_class(self, tmp_path: Path) -> None:
        assert "found 'red'" in only(inspect(class_folders(tmp_path, classes=1)), kinds.ONE_CLASS).detail

    def test_no_images(self, tmp_path: Path) -> None:
        source = inspect(table(tmp_path, "path,label\n1.jpg,\n"))
        assert len(found(source, kinds.NO_IMAGES)) == len(found(source, kinds.EMPTY_LABELS)) == 1

    def test_no_train(self, tmp_path: Path) -> None:
        only(inspect(split_folders(tmp_path, {"val": 2, "test": 2})), kinds.NO_TRAIN)

    def test_classes_not_in_train(self, tmp_path: Path) -> None:
        split_folders(tmp_path, {"train": 2, "val": 2, "test": 2})
        (tmp_path / "val" / "red").rename(tmp_path / "val" / "cow")
        source = inspect(tmp_path)
        assert [f.split for f in found(source, kinds.CLASSES_NOT_IN_TRAIN)] == ["val"]
        assert found(source, kinds.CLASSES_NOT_MEASURED)[0].detail == "val has no images of 'red'"

    def test_classes_that_val_or_test_lacks_do_not_stop_a_training(self, tmp_path: Path) -> None:
        split_folders(tmp_path, {"train": 2, "val": 2, "test": 2}, classes=3)
        for name in ("val/red", "test/green"):
            for image in (tmp_path / name).iterdir():
                image.unlink()
            (tmp_path / name).rmdir()
        source = read_source(DataConfig(source=str(tmp_path)))
        assert source.remarks == ("val has no images of 'red'", "test has no images of 'green'")
        assert {finding.kind for finding in source.findings} == {kinds.CLASSES_NOT_MEASURED}


class TestRows:
    """Each fault is told with its line, and the other rows are read."""

    @pytest.mark.parametrize(
        ("rows", "kind", "lines", "left"),
        [
            (",cat\n1.jpg,cat\n,dog\n2.jpg,dog", kinds.EMPTY_PATHS, [2, 4], "12"),
            ("1.jpg,\n2.jpg,cat\n3.jpg,dog\n4.jpg", kinds.EMPTY_LABELS, [2, 5], "23"),
            ("1.jpg,a|b\n2.jpg,cat\n3.jpg,dog\n4.jpg,a|", kinds.JOINED_CLASSES, [2, 5], "23"),
            ("1.jpg,cat\n2.jpg,dog\n1.jpg,dog\n2.jpg,cat", kinds.CONFLICTING_LABELS, [4, 5], "12"),
        ],
    )
    def test_labels(self, rows: str, kind: FindingKind, lines: list[int], left: str, tmp_path: Path) -> None:
        file = table(tmp_path, f"path,label\n{rows}\n")
        source = inspect(file)
        assert {finding.kind for finding in source.findings} == {kind}
        details = [finding.detail for finding in source.findings]
        assert [detail.split(":")[0] for detail in details] == [f"labels.csv, line {n}" for n in lines]
        assert "".join(Path(example.path).stem for example in source.examples) == left
        assert refused(file) == f"{details[0]}\nAnd 1 more; all of them: tlk inspect {file}"

    @pytest.mark.parametrize(
        ("rows", "kind", "lines"),
        [
            ("5.jpg,cat,tain,\n6.jpg,dog,x,", kinds.UNKNOWN_SPLITS, [6, 7]),
            ("5.jpg,cat,,\n6.jpg,dog,,", kinds.MISSING_SPLITS, [6, 7]),
            ("1.jpg,cat,val,\n2.jpg,dog,test,", kinds.CONFLICTING_SPLITS, [6, 7]),
            ("1.jpg,cat,train,b\n3.jpg,cat,val,\n", kinds.CONFLICTING_GROUPS, [6]),
        ],
    )
    def test_splits_and_groups(self, rows: str, kind: FindingKind, lines: list[int], tmp_path: Path) -> None:
        start = (
            "path,label,split,group\n1.jpg,cat,train,a\n2.jpg,dog,train,\n3.jpg,cat,val,\n4.jpg,dog,val,\n"
        )
        source = inspect(table(tmp_path, start + rows))
        assert [finding.detail.split(":")[0] for finding in found(source, kind)] == [
            f"labels.csv, line {number}" for number in lines
        ]
        assert {f.kind for f in source.findings if f.kind.severity == "error"} == {kind}
        splits = {Path(example.path).stem: example.split for example in source.examples}
        assert {name: splits[name] for name in "1234"} == {"1": "train", "2": "train", "3": "val", "4": "val"}

    def test_repeated_rows_and_the_group_of_one_of_them(self, tmp_path: Path) -> None:
        text = "path,label,group\n1.jpg,cat,\n2.jpg,dog,\n./1.jpg,cat, p7 \n1.jpg,cat,p7\n"
        source = inspect(table(tmp_path, text))
        assert found(source, kinds.REPEATED_ROWS)[0].detail == "2 repeated rows ignored (lines 4, 5)"
        assert [example.group for example in source.examples] == ["p7", ""]
        assert found(source, kinds.GROUPS)[0].detail == "1 group in 1 of 2 images"
        assert {finding.kind.severity for finding in source.findings} == {"warning", "note"}

    def test_ragged_rows(self, tmp_path: Path) -> None:
        source = inspect(table(tmp_path, "path,label\na,b.jpg,cat\n2.jpg,dog,,\n3.jpg,dog\n"))
        assert only(source, kinds.RAGGED_ROWS).detail.startswith(
            "1 row has more cells than the header, which are ignored (line 2)"
        )

    @pytest.mark.parametrize(
        ("column", "ours"),
        [
            ("Spilt", "split"),
            ("sub set", ""),
            ("subset", "split"),
            ("Group ID", "group"),
            ("patient", "group"),
        ],
    )
    def test_unused_columns(self, column: str, ours: str, tmp_path: Path) -> None:
        source = inspect(table(tmp_path, f"path,label,{column}\n1.jpg,cat,a\n2.jpg,dog,b\n"))
        if ours:
            assert f"rename it to {ours}" in only(source, kinds.UNUSED_COLUMNS).detail
        else:
            assert source.findings == ()

    def test_columns_beside_the_right_one_are_fine(self, tmp_path: Path) -> None:
        rows = "1.jpg,cat,train,x\n2.jpg,dog,train,x\n3.jpg,cat,val,x\n4.jpg,dog,val,x\n"
        assert inspect(table(tmp_path, f"path,label,split,subset\n{rows}")).findings == ()

    @pytest.mark.parametrize(
        ("header", "guess"),
        [
            ("Filename,label", "no column 'path'. Is 'filename' meant? Rename it to path."),
            ("image_id,label", "no column 'path'. Is 'image_id' meant?"),
            ("file name,label", "no column 'path'. Is 'file name' meant?"),
            ("path,species", "no column 'label'. Is 'species' meant? Rename it to label."),
            ("pathe,label", "no column 'path'. Did you mean 'pathe'?"),
            ("path,split", "no column 'label'.\n"),
        ],
    )
    def test_missing_columns(self, header: str, guess: str, tmp_path: Path) -> None:
        file = table(tmp_path, f"{header}\n1.jpg,cat\n")
        assert guess in refused(file)
        with pytest.raises(DataError):
            inspect(file)

    def test_a_column_twice(self, tmp_path: Path) -> None:
        file = table(tmp_path, "path,label,Label,x,x\n1.jpg,cat,dog,1,2\n")
        assert "has the column 'label' twice" in refused(file)
        assert len(inspect(table(tmp_path, "path,label,x,x\n1.jpg,cat,1,2\n")).examples) == 1

    def test_faults_that_matter_to_a_training_only(self, tmp_path: Path) -> None:
        sound = inspect(table(tmp_path, "path,label\n1.jpg,cat\n"))
        assert require_no_errors(sound, "x", but=kinds.TRAINING_ONLY) is sound
        bad = inspect(table(tmp_path, "path,label\n1.jpg,cat\n2.jpg,\n"))
        with pytest.raises(DataError, match="line 3"):
            require_no_errors(bad, "x", but=kinds.TRAINING_ONLY)


class TestText:
    """Encodings, quotation marks, and what is no text at all."""

    @pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
    def test_unicode_text_of_excel(self, encoding: str, tmp_path: Path) -> None:
        file = tmp_path / "labels.csv"
        file.write_bytes("\ufeffpath\tlabel\r\n猫.jpg\t猫\r\n2.jpg\tdog\r\n".encode(encoding))
        source = read_source(DataConfig(source=str(file)))
        assert source.classes == ("dog", "猫")
        assert source.examples[0].path == str(tmp_path / "猫.jpg")

    @pytest.mark.parametrize("mark", ["", "\ufeff"])
    def test_where_another_encoding_shows(self, mark: str, tmp_path: Path) -> None:
        file = tmp_path / "labels.csv"
        data = f"{mark}path,label\n猫.jpg,cat\n2.jpg,caf".encode() + "é\n".encode("latin-1")
        file.write_bytes(data)
        expected = f"line 3 has the byte 0xe9 at offset {data.index(0xE9)}."
        assert expected in refused(file)
        assert "CSV UTF-8" in refused(file)

    def test_half_a_character_of_utf_16(self, tmp_path: Path) -> None:
        file = tmp_path / "labels.csv"
        file.write_bytes("path,label\n1.jpg,cat\n".encode("utf-16") + b"x")
        assert "is not UTF-16 text: line 3 has the byte 0x78 at offset 44" in refused(file)

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("path,label\n1.jpg,c\0t\n", "line 2: there is a NUL byte"),
            ('path,label\n1.jpg,cat\n"2.jpg,dog\n3.jpg,dog\n', "line 3: a quotation mark is opened here"),
            ('path,label\n"1.jpg,cat\n2.jpg,"dog"\n', "line 2: text follows a closing quotation mark"),
            (f"path,label\n1.jpg,{'x' * 200_000}\n", "line 2: a cell has more than 131,072 characters"),
        ],
    )
    def test_what_is_no_table(self, text: str, expected: str, tmp_path: Path) -> None:
        assert expected in refused(table(tmp_path, text))

    def test_utf_16_without_its_mark(self, tmp_path: Path) -> None:
        file = tmp_path / "labels.csv"
        file.write_bytes("path,label\n1.jpg,cat\n".encode("utf-16-le"))
        assert "UTF-16 without its mark" in refused(file)

    def test_line_breaks_in_cells_count_as_lines(self, tmp_path: Path) -> None:
        text = 'path,label,note\r\n1.jpg,cat,"two\r\nlines"\r\n\r\n2.jpg,,x\r\n'
        assert "line 5: the label of '2.jpg'" in inspect(table(tmp_path, text)).findings[0].detail

    def test_old_line_ends_and_blank_lines_before_the_header(self, tmp_path: Path) -> None:
        source = inspect(table(tmp_path, "\rpath;label\r1.jpg;cat\r2.jpg;dog\r"))
        assert [example.label for example in source.examples] == ["cat", "dog"]

    @given(
        data=st.binary(max_size=200), start=st.sampled_from([b"", b"path,label,split,group\n", b"\xff\xfe"])
    )
    @settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_any_bytes(self, tmp_path: Path, data: bytes, start: bytes) -> None:
        (tmp_path / "labels.csv").write_bytes(start + data)
        read_or_refuse(tmp_path / "labels.csv")

    @given(
        text=st.lists(
            st.sampled_from([*',;\t|"\r\n~/\\', "a", "猫", "train", "cat", "\u2028", "..", "\0"])
        ).map("".join),
        start=st.sampled_from(["", "path,label\n", "path;label;split\n", "label\tpath\tgroup\r\n"]),
    )
    @settings(deadline=None, max_examples=500, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_any_text(self, tmp_path: Path, text: str, start: str) -> None:
        read_or_refuse(table(tmp_path, start + text))


def read_or_refuse(file: Path) -> None:
    """See that only our own errors come, and that a training minds exactly what inspect calls errors."""
    for changes in ({}, {"task": "multilabel"}, {"group_by": "(a)?"}):
        config = DataConfig(source=str(file), **changes)  # type: ignore[arg-type]
        try:
            source = read_source(config, for_training=False)
        except (DataError, ConfigError):
            with pytest.raises((DataError, ConfigError)):
                read_source(config)
            continue
        fatal = [finding for finding in source.findings if finding.kind.severity == "error"]
        try:
            assert read_source(config) == source
            assert not fatal
        except DataError as error:
            assert fatal
            assert len(fatal[0].detail) <= len(str(error))


class TestGroupBy:
    def photos(self, folder: Path) -> Path:
        rows = [f"cat/p{n % 3}_{n}.jpg,cat" for n in range(6)] + ["dog/x.jpg,dog"]
        return table(folder, "path,label\n" + "\n".join(rows))

    @pytest.mark.parametrize(
        ("expression", "expected"),
        [
            (r"(p\d)_", ["p0", "p1", "p2"] * 2 + [""]),
            (r"p\d", ["p0", "p1", "p2"] * 2 + [""]),
            (r"^[^/]+", ["cat"] * 6 + ["dog"]),
            (r"^cat/(p[01])?", ["p0", "p1", ""] * 2 + [""]),
        ],
    )
    def test_groups(self, expression: str, expected: list[str], tmp_path: Path) -> None:
        source = inspect(self.photos(tmp_path), group_by=expression)
        assert [example.group for example in source.examples] == expected

    def test_what_is_said(self, tmp_path: Path) -> None:
        source = inspect(self.photos(tmp_path), group_by=r"(p\d)_")
        assert only(source, kinds.GROUPS).detail == "3 groups in 6 of 7 images"

    def test_folders_and_digits(self, tmp_path: Path) -> None:
        source = inspect(class_folders(tmp_path), group_by=r"^red/red_(\d)\d\.jpg$")
        assert Counter(example.group for example in source.examples) == {"": 8, "0": 8}
        source = inspect("digits", group_by=r"^\d/")
        assert len({example.group for example in source.examples}) == 10

    def test_groups_of_the_manifest_stay(self, tmp_path: Path) -> None:
        file = table(tmp_path, "path,label,group\na1.jpg,cat,own\na2.jpg,dog,\n")
        assert [example.group for example in inspect(file, group_by="a").examples] == ["own", "a"]

    def test_nothing_matches(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"any of the 7 paths, e\.g\. 'cat/p0_0\.jpg'"):
            inspect(self.photos(tmp_path), group_by="zebra")


def test_a_message_has_the_first_error_and_how_many_there_are() -> None:
    first = Finding(kinds.EMPTY_LABELS, "a.csv", "the first")
    findings = (first, replace(first, detail="2"), Finding(kinds.EMPTY_PATHS, "a.csv", "3"))
    with pytest.raises(DataError) as caught:
        require_no_errors(ImageSource((), (), findings), "my data.csv")
    assert str(caught.value) == (
        "the first\nAnd 1 more and 1 of other kinds; all of them: tlk inspect 'my data.csv'"
    )
