"""Metrics against numbers worked out by hand, and scikit-learn's own where they are its."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tl_keras.evaluation.evaluation import Evaluation
from tl_keras.evaluation.metrics import score, wilson_interval

LABELS = ("a", "b", "c")
PROBABILITIES = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.5, 0.4, 0.1], [0.2, 0.2, 0.6]], np.float32)
TARGETS = np.eye(3, dtype=np.float32)[[0, 1, 1, 2]]


def test_multiclass():
    found = score(PROBABILITIES, TARGETS, LABELS, "multiclass")
    assert found.images == 4
    assert found.accuracy == 0.75
    assert found.loss == pytest.approx(-np.log([0.7, 0.8, 0.4, 0.6]).mean(), rel=1e-5)
    assert found.confusion == [[1, 0, 0], [1, 1, 0], [0, 0, 1]]
    assert found.top5 is None
    assert [c.name for c in found.classes] == list(LABELS)
    assert found.classes[1].recall == 0.5 and found.classes[1].precision == 1.0
    assert found.classes[0].precision == 0.5
    assert found.macro.recall == pytest.approx((1 + 0.5 + 1) / 3)
    assert found.weighted.recall == pytest.approx(0.75)


def test_top5_where_it_makes_sense():
    probabilities = np.tile(np.arange(8, dtype=np.float32) / 28, (2, 1))
    targets = np.eye(8, dtype=np.float32)[[3, 2]]
    assert score(probabilities, targets, "abcdefgh", "multiclass").top5 == 0.5


def test_multilabel():
    probabilities = np.array([[0.9, 0.6, 0.1], [0.4, 0.7, 0.2]], np.float32)
    targets = np.array([[1, 1, 0], [1, 1, 0]], np.float32)
    found = score(probabilities, targets, LABELS, "multilabel")
    assert found.accuracy == 0.5
    assert found.confusion is None
    assert found.classes[0].recall == 0.5 and found.classes[2].images == 0


def test_a_class_without_images_does_no_harm():
    found = score(PROBABILITIES[:1], TARGETS[:1], LABELS, "multiclass")
    assert [c.images for c in found.classes] == [1, 0, 0]


def test_it_survives_being_written():
    found = score(PROBABILITIES, TARGETS, LABELS, "multiclass")
    assert Evaluation.from_dict(found.to_dict()) == found


def test_wilson_interval_against_published_values():
    # Brown, Cai & DasGupta 2001: 0 of 10 and 81 of 263 (Newcombe 1998).
    assert wilson_interval(0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_holds_the_share(counts):
    right, of = counts
    low, high = wilson_interval(right, of)
    assert 0 <= low <= right / of + 1e-12 and right / of - 1e-12 <= high <= 1
