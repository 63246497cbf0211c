"""manifest.csv gives back what was written."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tl_keras.data.example import SPLITS, Example
from tl_keras.data.manifest import from_csv, parse_problem, to_csv
from tl_keras.errors import RunError, SkipReason

words = st.text(st.characters(codec="utf-8") | st.sampled_from('\r\n,"; '), max_size=8)
used = st.builds(Example, words, words, st.sampled_from(["", *SPLITS]), words, group=words)
examples = used | st.builds(Example.skip, used, st.sampled_from(SkipReason), words)
SENTENCES = {
    "file not found": (SkipReason.MISSING, ""),
    "permission denied": (SkipReason.NO_PERMISSION, ""),
    "a folder, not a file": (SkipReason.FOLDER, ""),
    "cannot be read: neither a file nor a folder": (SkipReason.UNREADABLE, "neither a file nor a folder"),
    "cannot be read: not enough memory": (SkipReason.UNREADABLE, "not enough memory"),
    "cannot be read: Input/output error": (SkipReason.UNREADABLE, "Input/output error"),
    "cannot be read: embedded null byte": (SkipReason.UNREADABLE, "embedded null byte"),
    "empty file": (SkipReason.EMPTY, ""),
    "not a JPEG, PNG, BMP, GIF or WebP image": (SkipReason.NOT_AN_IMAGE, ""),
    "truncated or damaged: image file is truncated": (SkipReason.DAMAGED, "image file is truncated"),
    "more than 200 megapixels": (SkipReason.TOO_LARGE, "200 megapixels"),
    "more than 0.5 megapixels": (SkipReason.TOO_LARGE, "0.5 megapixels"),
    "more than 65,535 pixels a side": (SkipReason.TOO_LARGE, "65,535 pixels a side"),
    "more than 1024 MiB": (SkipReason.TOO_LARGE, "1024 MiB"),
    "excluded by issues.csv": (SkipReason.EXCLUDED, "issues.csv"),
    "copy of /a/b.jpg": (SkipReason.EXACT_COPY, "/a/b.jpg"),
    "the same image has other labels too: cat, dog": (SkipReason.CONFLICTING_LABELS, "cat, dog"),
    "beyond data.limit_per_class": (SkipReason.OVER_LIMIT, ""),
}
"""What stands in the manifests of runs that there are."""


def test_the_columns() -> None:
    text = to_csv([Example("/ein Bild, neu.jpg", "猫", "val", "ab12")])
    assert text == 'path,label,split,sha256,problem,group\r\n"/ein Bild, neu.jpg",猫,val,ab12,,\r\n'


@given(st.lists(examples, max_size=5))
@settings(deadline=None)
def test_everything_comes_back(written: list[Example]) -> None:
    assert from_csv(to_csv(written)) == written


def test_line_ends_that_an_editor_changed_are_read() -> None:
    written = [Example("/a.jpg", "cat", "train", "ab"), Example("/b.jpg", "dog").skip(SkipReason.EMPTY)]
    assert from_csv(to_csv(written).replace("\r\n", "\n")) == written


@pytest.mark.parametrize("sentence", SENTENCES)
def test_the_sentences_of_today_are_read_and_written_as_they_are(sentence: str) -> None:
    row = f'path,label,split,sha256,problem,group\r\n/a.jpg,cat,,,"{sentence}",\r\n'
    (found,) = from_csv(row)
    assert (found.skipped, found.detail) == SENTENCES[sentence]
    assert found.problem == sentence
    assert from_csv(to_csv([found])) == [found]


def test_every_reason_has_a_sentence_and_no_other_begins_like_it() -> None:
    assert {reason for reason, _ in SENTENCES.values()} == set(SkipReason)
    pairs = [(one, other) for one in SkipReason for other in SkipReason if one is not other]
    assert not [pair for pair in pairs if pair[0].startswith(pair[1])]


@given(st.sampled_from(SkipReason), words)
def test_a_sentence_can_be_taken_apart(reason: SkipReason, detail: str) -> None:
    assert parse_problem(Example("/a.jpg", "cat").skip(reason, detail).problem) == (reason, detail)


def test_a_sentence_of_another_version_is_that_of_a_file_that_cannot_be_read() -> None:
    assert parse_problem("made of stone") == (SkipReason.UNREADABLE, "made of stone")
    assert parse_problem("") == (None, "")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "an empty file"),
        ("a,b\n1,2\n", "expected path,label,split,sha256,problem,group; found a,b"),
        ("path,label,split,sha256,problem,group\nx,y\n", "example 1 has 2 fields"),
        ("path,label,split,sha256,problem,group\nx,y,weekend,,,\n", "'weekend'"),
        ('path,label,split,sha256,problem,group\n"x,y,z,,,', "damaged"),
    ],
)
def test_damage_is_named(text: str, expected: str) -> None:
    with pytest.raises(RunError, match=expected):
        from_csv(text)
