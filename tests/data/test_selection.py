"""Copies are left out where splits are made; few-shot limits take the same images every time."""

from __future__ import annotations

from dataclasses import replace

from tl_keras.data.example import Example
from tl_keras.data.selection import limited, without_copies
from tl_keras.errors import SkipReason


def image(path: str, label: str = "a", content: str = "", split: str = "") -> Example:
    return Example(path, label, split, content or path)


def left_out(examples: list[Example]) -> dict[str, str]:
    return {example.path: example.problem for example in examples if not example.is_used}


def test_the_first_of_identical_images_is_kept() -> None:
    found = without_copies([image("/1", content="x"), image("/2", content="x"), image("/3")])
    assert left_out(found) == {"/2": "copy of /1"}


def test_identical_images_under_different_labels_are_all_left_out() -> None:
    found = without_copies([image("/1", "a", "x"), image("/2", "b", "x"), image("/3", "a", "x"), image("/4")])
    assert set(left_out(found)) == {"/1", "/2", "/3"}
    assert left_out(found)["/1"] == "the same image has other labels too: b"


def test_what_the_user_has_divided_stays_as_it_is() -> None:
    given = [image("/1", content="x", split="train"), image("/2", content="x", split="val")]
    assert without_copies(given) == given


def test_a_test_of_the_users_stays_as_it_is_where_val_is_made() -> None:
    given = [image("/1", content="x", split="train"), image("/2", content="x", split="train")]
    tests = [image("/3", content="y", split="test"), image("/4", content="y", split="test")]
    assert left_out(without_copies([*given, *tests])) == {"/2": "copy of /1"}


def test_broken_images_are_nobodys_copies() -> None:
    broken = replace(image("/1", content=""), sha256="", skipped=SkipReason.EMPTY)
    assert without_copies([broken, replace(broken, path="/2")]) == [broken, replace(broken, path="/2")]


def test_a_limit_per_class() -> None:
    train = [image(f"/{label}{n}", label, split="train") for label in "ab" for n in range(20)]
    rest = [image(f"/v{n}", "a", split="val") for n in range(20)]
    chosen = {}
    for limit in (2, 5):
        found = limited([*train, *rest], limit, seed=0)
        used = [example for example in found if example.is_used]
        assert [sum(e.label == label and e.split == "train" for e in used) for label in "ab"] == [limit] * 2
        assert sum(e.split == "val" for e in used) == 20 and set(left_out(found).values()) == {
            "beyond data.limit_per_class"
        }
        chosen[limit] = {example.path for example in used}
    assert chosen[2] < chosen[5]
    assert limited(train, None, 0) == train


def test_images_of_no_class_count_as_a_class_of_their_own() -> None:
    nothing = [image(f"/{n}", "", split="train") for n in range(5)]
    assert len(left_out(limited(nothing, 3, 0))) == 2


def test_a_limit_per_class_of_several_labels() -> None:
    both = [replace(image(f"/{n}", split="train"), label="a|b") for n in range(5)]
    only = [image(f"/b{n}", "b", split="train") for n in range(5)]
    used = [example for example in limited([*both, *only], 2, 0) if example.is_used]
    assert all(sum(label in e.labels for e in used) >= 2 for label in "ab") and len(used) <= 4
