"""Splits: decided by content, stable, without straddling copies, with every class in each."""

from __future__ import annotations

import hashlib
import random
from collections import Counter, defaultdict
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tl_keras.config.schema import DataConfig, SplitConfig
from tl_keras.data.example import SPLITS, Example
from tl_keras.data.splits import assign_splits, leaked, split_position
from tl_keras.errors import ConfigError, DataError, SkipReason

SHARES = DataConfig()


def digest(number: object) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def images(label: str, contents: range, split: str = "") -> list[Example]:
    return [Example(f"/{label}/{n}.jpg", label, split, digest((label, n))) for n in contents]


def split_of(examples: list[Example]) -> dict[str, str]:
    return {example.path: example.split for example in examples}


def placed(examples: list[Example]) -> set[tuple[str, str]]:
    return {(label, example.split) for example in examples for label in example.labels}


classes_with_copies = st.lists(
    st.lists(st.integers(0, 10_000), min_size=3, max_size=30).filter(
        lambda contents: len(set(contents)) >= 3
    ),
    min_size=2,
    max_size=4,
)
"""Per class the contents of its images; equal numbers are identical images."""


def library(classes: list[list[int]]) -> list[Example]:
    return [
        Example(f"/{label}/{index}.jpg", f"class{label}", sha256=digest((label, content)))
        for label, contents in enumerate(classes)
        for index, content in enumerate(contents)
    ]


@given(classes_with_copies, st.integers(0, 2**31 - 1))
def test_every_class_is_in_every_split_and_copies_never_straddle(classes: list[list[int]], seed: int) -> None:
    found = assign_splits(library(classes), SHARES, seed)
    assert [example.path for example in found] == [example.path for example in library(classes)]
    assert placed(found) == {(f"class{n}", split) for n in range(len(classes)) for split in SPLITS}
    homes = defaultdict(set)
    for example in found:
        homes[example.sha256].add(example.split)
    assert all(len(splits) == 1 for splits in homes.values())


@given(classes_with_copies, st.integers(0, 100), st.randoms(use_true_random=False))
def test_order_and_paths_do_not_matter(classes: list[list[int]], seed: int, shuffler: random.Random) -> None:
    examples = library(classes)
    mixed = [replace(example, path="/elsewhere" + example.path) for example in examples]
    shuffler.shuffle(mixed)
    moved = split_of(assign_splits(mixed, SHARES, seed))
    assert {
        f"/elsewhere{path}": split for path, split in split_of(assign_splits(examples, SHARES, seed)).items()
    } == moved


@given(st.integers(0, 2**31 - 1), st.integers(1, 300))
def test_adding_images_moves_none_of_the_others(seed: int, added: int) -> None:
    before = images("a", range(150)) + images("b", range(150))
    after = images("a", range(150 + added)) + images("b", range(150)) + images("c", range(3))
    known = split_of(assign_splits(before, SHARES, seed))
    assert split_of(assign_splits(after, SHARES, seed)).items() >= known.items()


@given(st.integers(0, 2**31 - 1))
@settings(max_examples=10, deadline=None)
def test_shares_are_kept(seed: int) -> None:
    examples = images("a", range(5_000)) + images("b", range(5_000))
    counts = Counter(
        example.split
        for example in assign_splits(
            examples, DataConfig(split=SplitConfig(train=0.7, val=0.2, test=0.1)), seed
        )
    )
    assert abs(counts["train"] / 10_000 - 0.7) < 0.02
    assert abs(counts["val"] / 10_000 - 0.2) < 0.02
    assert abs(counts["test"] / 10_000 - 0.1) < 0.02


def test_shares_of_ten_thousand_images() -> None:
    examples = images("a", range(10_000))
    counts = Counter(example.split for example in assign_splits(examples, SHARES, 0))
    for split, share in (("train", 0.8), ("val", 0.1), ("test", 0.1)):
        assert abs(counts[split] / 10_000 - share) < 0.015


def test_the_seed_decides() -> None:
    examples = images("a", range(100)) + images("b", range(100))
    assert assign_splits(examples, SHARES, 1) == assign_splits(examples, SHARES, 1)
    assert assign_splits(examples, SHARES, 1) != assign_splits(examples, SHARES, 2)


def test_train_and_val_that_the_source_brings_are_kept() -> None:
    examples = images("a", range(5), "train") + images("a", range(5, 8), "val")
    assert assign_splits(examples, SHARES, 0) == examples


def test_all_three_that_the_source_brings_are_kept() -> None:
    examples = [
        example for n, split in enumerate(SPLITS) for example in images("a", range(5 * n, 5 * n + 5), split)
    ]
    assert assign_splits(examples, SHARES, 0) == examples


def test_val_is_taken_out_of_train_where_only_test_is_given() -> None:
    tested = images("a", range(1000, 1100), "test")
    found = assign_splits(
        images("a", range(900), "train") + images("b", range(2), "train") + tested, SHARES, 0
    )
    assert found[-100:] == tested
    counts = Counter(example.split for example in found[:900])
    assert counts.keys() == {"train", "val"}
    assert abs(counts["val"] / 900 - 1 / 9) < 0.03
    assert {example.split for example in found[900:902]} == {"train", "val"}


def test_a_source_with_train_alone_is_divided_in_three() -> None:
    found = assign_splits(images("a", range(30), "train") + images("b", range(3), "train"), SHARES, 0)
    assert placed(found) == {(label, split) for label in "ab" for split in SPLITS}


def test_the_users_splits_stay_also_where_no_image_of_val_can_be_read() -> None:
    broken = [example.skip(SkipReason.EMPTY) for example in images("a", range(9), "val")]
    given_splits = images("a", range(9, 30), "train") + broken
    assert assign_splits(given_splits, SHARES, 0) == given_splits


def test_images_with_a_problem_are_passed_on() -> None:
    broken = Example("/a/x.jpg", "a", skipped=SkipReason.EMPTY)
    found = assign_splits([*images("a", range(3)), broken], SHARES, 0)
    assert found[3] == broken


def test_one_image_with_two_labels_does_not_rob_the_other_class() -> None:
    shared = [Example(f"/{label}/s.jpg", label, sha256=digest("shared")) for label in "ab"]
    for seed in range(50):
        found = assign_splits(shared + images("a", range(3)) + images("b", range(3)), SHARES, seed)
        assert placed(found) == {(label, split) for label in "ab" for split in SPLITS}
        assert found[0].split == found[1].split


def test_labels_of_one_image_count_for_each_class() -> None:
    both = [Example(f"/{n}.jpg", "a|b", sha256=digest(n)) for n in range(6)]
    unlabeled = [Example("/none.jpg", "", sha256=digest("none"))]
    found = assign_splits(both + unlabeled, SHARES, 0)
    assert placed(found) == {(label, split) for label in "ab" for split in SPLITS}


@pytest.mark.parametrize(
    ("small", "rest", "expected"),
    [
        (images("b", range(2)), images("a", range(5)), "at least 3.*train, val, test; 'b' has 2"),
        (images("b", range(1)) * 4, images("a", range(5)), "'b' has 1"),
        (images("b", range(1), "train"), images("a", range(9), "test"), "at least 2.*'b' has 1"),
        (
            [Example("/b", "b", "train", "x", SkipReason.EMPTY)],
            images("a", range(9), "val"),
            "at least 1.*'b' has 0",
        ),
    ],
)
def test_classes_too_small_are_named(small: list[Example], rest: list[Example], expected: str) -> None:
    with pytest.raises(DataError, match=expected):
        assign_splits([*small, *images("a", range(20, 25), small[0].split), *rest], SHARES, 0)


def test_leaks_are_counted() -> None:
    train, other = images("a", range(3), "train"), images("a", range(3, 6), "val")
    copies = [replace(train[0], path="/copy", split="val"), replace(train[1], path="/copy2", split="test")]
    assert len(leaked([*train, *other, *copies])) == 2
    assert not leaked([*train, *other, copies[0].skip(SkipReason.EMPTY)])


def grouped(examples: list[Example], size: int) -> list[Example]:
    """Put every `size` examples into a group."""
    return [replace(example, group=f"g{index // size}") for index, example in enumerate(examples)]


@given(st.integers(0, 2**31 - 1), st.integers(2, 7))
def test_groups_never_straddle(seed: int, size: int) -> None:
    found = assign_splits(grouped(images("a", range(100)), size) + images("b", range(50)), SHARES, seed)
    homes = defaultdict(set)
    for example in found:
        homes[example.split_unit].add(example.split)
    assert all(len(splits) == 1 for splits in homes.values())
    assert placed(found) == {(label, split) for label in "ab" for split in SPLITS}


@given(st.integers(0, 2**31 - 1), st.integers(1, 40))
def test_more_images_of_a_named_group_move_none(seed: int, added: int) -> None:
    before = grouped(images("a", range(300)), 3)
    after = before + [replace(e, group="g7") for e in images("a", range(300, 300 + added))]
    known = split_of(assign_splits(before, SHARES, seed))
    assert split_of(assign_splits(after, SHARES, seed)).items() >= known.items()


def test_too_few_groups_are_refused() -> None:
    with pytest.raises(DataError, match=r"those of a group and .* counting as one.*'a' has 2"):
        assign_splits(grouped(images("a", range(10)), 5) + images("b", range(9)), SHARES, 0)


def test_folds_are_tests_in_turn() -> None:
    examples = images("a", range(400)) + images("b", range(400))
    tests: Counter[str] = Counter()
    for fold in range(1, 5):
        found = assign_splits(examples, DataConfig(folds=4, fold=fold), 0)
        sizes = Counter(example.split for example in found)
        assert abs(sizes["test"] - 200) < 50 and abs(sizes["val"] - 600 / 9) < 30
        tests.update(example.path for example in found if example.split == "test")
    assert tests == Counter(example.path for example in examples)


def test_folds_want_images_without_splits() -> None:
    given_splits = images("a", range(9), "train") + images("a", range(9, 12), "test")
    with pytest.raises(ConfigError, match=r"data\.folds"):
        assign_splits(given_splits, DataConfig(folds=3), 0)


def test_shares_of_many_images_are_what_was_asked_for() -> None:
    examples = [example for label in "abcde" for example in images(label, range(4_000))]
    found = Counter(example.split for example in assign_splits(examples, SHARES, 0))
    for split, share in (("train", 0.8), ("val", 0.1), ("test", 0.1)):
        assert abs(found[split] / len(examples) - share) < 0.01


def test_relatives_in_train_are_leaks() -> None:
    train, test = images("a", range(3), "train"), images("a", range(3, 6), "test")
    kin = [replace(train[0], group="g"), *train[1:], replace(test[0], group="g"), *test[1:]]
    assert [example.path for example in leaked(kin)] == [test[0].path]


def test_the_place_of_an_image_is_the_same_on_every_machine_for_ever() -> None:
    assert split_position(digest("an image"), 0) == 0.18985667552095364
    assert split_position(digest("an image"), 7) == 0.03959235221480739
    assert split_position("patient 12 与", 0) == 0.8174929065834711
