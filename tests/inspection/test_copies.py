"""Near-duplicates: found among many, without comparing all with all."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.images import encoded, noisy_image
from tl_keras.data.example import Example
from tl_keras.data.images.facts import FACTS, facts_of
from tl_keras.errors import SkipReason
from tl_keras.inspection.copies import LOOK_BITS, Copies, near_duplicates, with_groups
from tl_keras.inspection.examine import ExaminedImages


def facts(looks: list[int]) -> np.ndarray:
    """Return records of images that differ in their perceptual hashes only."""
    made = np.zeros(len(looks), FACTS)
    made["look"] = np.array(looks, np.uint64)
    made["thumbnail"] = np.random.default_rng(0).integers(0, 255, (16, 16, 3))
    made["width"] = made["height"] = 100
    return made


@given(
    st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=8),
    st.lists(st.tuples(st.integers(0, 7), st.sets(st.integers(0, 63), max_size=8)), max_size=20),
)
@settings(deadline=None, max_examples=50)
def test_all_pairs_within_the_distance_are_found(
    looks: list[int], changes: list[tuple[int, set[int]]]
) -> None:
    looks = looks + [looks[which % len(looks)] ^ sum(1 << bit for bit in bits) for which, bits in changes]
    expected = [
        [one, other]
        for one in range(len(looks))
        for other in range(one + 1, len(looks))
        if (looks[one] ^ looks[other]).bit_count() <= LOOK_BITS
    ]
    assert near_duplicates(facts(looks)).tolist() == expected


def test_a_crowd_takes_no_longer_than_others() -> None:
    """All alike: every pair would be 12 million; they are chained all the same."""
    pairs = near_duplicates(facts([12345] * 5_000))
    assert len(pairs) <= 5_000 * 32
    examples = [Example(f"/{n}", "a", sha256=f"{n:064x}") for n in range(5_000)]
    assert {e.group for e in with_groups(examples, Copies({}, pairs))} == {f"{0:064x}"}


def test_thumbnails_confirm() -> None:
    made = facts([1, 1, 1])
    made["thumbnail"][2] = np.random.default_rng(1).integers(0, 255, (16, 16, 3))
    assert near_duplicates(made).tolist() == [[0, 1]]


@pytest.mark.parametrize("change", [{"width": 15}, {"thumbnail": 7}])
def test_tiny_and_empty_images_are_not_compared(change: dict[str, int]) -> None:
    made = facts([1, 1])
    for field, value in change.items():
        made[field] = value
    assert near_duplicates(made).tolist() == []


def test_a_color_tells_images_of_one_shape_apart() -> None:
    red, blue = (np.array([facts_of(encoded(noisy_image(3, (64, 64), color)), 1e9)]) for color in
                 ((220, 60, 60), (60, 60, 220)))  # fmt: skip
    red["look"] = blue["look"]
    assert near_duplicates(np.concatenate([red, blue])).tolist() == []


def test_groups_join_what_has_a_member_in_common() -> None:
    names = ["", "patient 1", "patient 1", "patient 2", "", ""]
    hashes = ["f", "b", "c", "d", "e", "a"]
    examples = [
        Example(f"/{n}", "x", sha256=h, group=g) for n, (g, h) in enumerate(zip(names, hashes, strict=True))
    ]
    found = with_groups(examples, Copies({}, np.array([[0, 1], [4, 5]])))
    assert [e.group for e in found] == ["patient 1", "patient 1", "patient 1", "patient 2", "a", "a"]


def test_what_cannot_be_read_has_no_group() -> None:
    examples = [Example("/1", "x", sha256="a"), Example("/2", "x", skipped=SkipReason.EMPTY, group="g")]
    assert [e.group for e in with_groups(examples, Copies({}, np.zeros((0, 2), int)))] == ["", ""]
    assert not ExaminedImages(tuple(examples), np.zeros(2, FACTS)).examples[1].is_used
