"""manifest.csv gives back what was written."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tl_keras.data.example import SPLITS, Example
from tl_keras.data.manifest import from_csv, to_csv
from tl_keras.errors import RunError

words = st.text(st.characters(codec="utf-8") | st.sampled_from('\r\n,"; '), max_size=8)
examples = st.builds(Example, words, words, st.sampled_from(["", *SPLITS]), words, words, words)


def test_the_columns() -> None:
    text = to_csv([Example("/ein Bild, neu.jpg", "猫", "val", "ab12", "")])
    assert text == 'path,label,split,sha256,problem,group\r\n"/ein Bild, neu.jpg",猫,val,ab12,,\r\n'


@given(st.lists(examples, max_size=5))
@settings(deadline=None)
def test_everything_comes_back(written: list[Example]) -> None:
    assert from_csv(to_csv(written)) == written


def test_line_ends_that_an_editor_changed_are_read() -> None:
    written = [Example("/a.jpg", "cat", "train", "ab", ""), Example("/b.jpg", "dog", "", "", "empty file")]
    assert from_csv(to_csv(written).replace("\r\n", "\n")) == written


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
