"""Wrong labels are found by features, right ones are left alone, and odd data do no harm."""

from __future__ import annotations

import numpy as np
import pytest

from tl_keras.inspection import labels as module
from tl_keras.inspection.labels import FEWEST, suspicious_labels


def clusters(
    count: int = 600, classes: int = 4, width: int = 8, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return features around a center per class, and the true labels."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, classes, count)
    centers = rng.normal(size=(classes, width)) * 3
    return (centers[truth] + rng.normal(size=(count, width))).astype(np.float32), truth


def flipped(truth: np.ndarray, count: int, seed: int = 1) -> tuple[np.ndarray, set[int]]:
    rng, classes = np.random.default_rng(seed), truth.max() + 1
    rows = rng.permutation(len(truth))[:count]
    given = truth.copy()
    given[rows] = (truth[rows] + rng.integers(1, classes, count)) % classes
    return given, set(rows.tolist())


@pytest.mark.parametrize("width", [8, 900])
def test_wrong_labels_are_found(width):
    features, truth = clusters(width=width)
    given, wrong = flipped(truth, 30)
    found, scores = suspicious_labels(features, given, seed=0)
    assert len(wrong & {one.index for one in found}) >= 28 and len(found) <= 32
    assert all(one.given == given[one.index] for one in found)
    assert sum(one.suggested == truth[one.index] for one in found) >= 28
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert scores.shape == (600,) and scores.dtype == np.float32
    assert all(scores[one.index] == np.float32(one.score) for one in found)
    assert scores.min() >= 0 and scores.max() <= 1


def test_clean_labels_are_left_alone_also_where_classes_overlap():
    features, truth = clusters()
    assert len(suspicious_labels(features, truth, seed=0)[0]) <= 3
    noisy = features + np.random.default_rng(2).normal(size=features.shape) * 5
    assert len(suspicious_labels(noisy, truth, seed=0)[0]) <= 6


def test_features_that_tell_nothing_accuse_nobody():
    for seed in range(5):
        rng = np.random.default_rng(seed)
        noise = rng.normal(size=(400, 20))
        for share in (0.5, 0.1):
            assert not suspicious_labels(noise, (rng.random(400) < share).astype(int), seed=0)[0]


@pytest.mark.parametrize("copies", [2, 30])
def test_a_copy_with_the_same_wrong_label_does_not_vouch(copies):
    features, truth = clusters(count=300, width=40)
    odd = features[:1] + 8 * np.eye(40, dtype=np.float32)[:1]  # far out: only its copies are like it
    features, truth = np.vstack([features, np.repeat(odd, copies, 0)]), np.append(truth, [truth[0]] * copies)
    given = truth.copy()
    given[300:] = (truth[0] + 1) % 4
    groups = [""] * 300 + ["copies"] * copies
    scores = suspicious_labels(features, given, seed=0, groups=groups)[1]
    alone = suspicious_labels(features, given, seed=0)[1]
    assert (scores[300:] > 0.5).all() and (scores[300:] > alone[300:]).all()


@pytest.mark.parametrize("width", [3, 60])  # a group larger than the features, and smaller
def test_left_out_outputs_are_those_of_a_model_trained_without_them(width):
    features, truth = clusters(count=80, classes=3, width=width)
    codes = np.where(np.arange(80) < 20, 0, np.arange(80))
    left_out = module._LeftOut(features, truth, codes)
    outputs = left_out.outputs(0.1, np.arange(80))
    mean, deviation = features.mean(0), features.std(0)
    x, t = (features - mean) / deviation, np.eye(3)[truth]
    for rows in (np.arange(20), np.array([50])):
        rest = np.setdiff1d(np.arange(80), rows)
        xm, tm = x[rest].mean(0), t[rest].mean(0)
        gram = (x[rest] - xm).T @ (x[rest] - xm) + 0.1 * 80 * np.eye(width)
        weights = np.linalg.solve(gram, (x[rest] - xm).T @ (t[rest] - tm))
        np.testing.assert_allclose(outputs[rows], (x[rows] - xm) @ weights + tm, atol=1e-3)


def test_small_classes_are_not_judged():
    features, truth = clusters(count=200)
    for count in range(1, FEWEST):
        given = truth.copy()
        given[:count] = 9
        found, scores = suspicious_labels(features, given, seed=0)
        assert not scores[:count].any() and all(one.index >= count for one in found)


@pytest.mark.parametrize("value", [0.0, 3.0, np.nan, np.inf])
def test_constant_and_broken_features(value):
    features, truth = np.full((50, 6), value, np.float32), np.arange(50) % 3
    found, scores = suspicious_labels(features, truth, seed=0)
    assert not found and np.isfinite(scores).all()


def test_one_row_with_broken_features_spoils_nothing():
    features, truth = clusters()
    given, wrong = flipped(truth, 30)
    features[5] = np.nan
    found, scores = suspicious_labels(features, given, seed=0)
    assert len(wrong & {one.index for one in found}) >= 27 and np.isfinite(scores).all()


@pytest.mark.parametrize("count", [0, 1, 2, 5, 9, 12])
def test_few_rows(count):
    features, truth = clusters(count=20)
    for given in (truth[:count], np.zeros(count, np.int64), np.arange(count)):
        scores = suspicious_labels(features[:count], given, seed=0)[1]
        assert scores.shape == (count,) and np.isfinite(scores).all()


def test_one_class_and_one_group():
    features, truth = clusters(count=50)
    assert suspicious_labels(features, np.full(50, 7), seed=0)[0] == []
    assert suspicious_labels(features, truth, seed=0, groups=["all"] * 50)[0] == []


def test_the_same_seed_finds_the_same_and_the_order_of_rows_does_not_matter():
    features, truth = clusters()
    given, _ = flipped(truth, 40)
    first, scores = suspicious_labels(features, given, seed=3)
    again, same = suspicious_labels(features, given, seed=3)
    assert first == again and np.array_equal(scores, same)
    order = np.random.default_rng(5).permutation(len(given))
    shuffled, others = suspicious_labels(features[order], given[order], seed=3)
    np.testing.assert_allclose(others, scores[order], atol=1e-3)
    assert {int(order[one.index]) for one in shuffled} == {one.index for one in first}


def test_parameters_chosen_on_a_sample_of_whole_groups(monkeypatch):
    monkeypatch.setattr(module, "MOST_SAMPLED", 0)
    monkeypatch.setattr(module, "FEWEST_SAMPLED", 200)
    features, truth = clusters()
    given, wrong = flipped(truth, 30)
    groups = [str(row // 2) for row in range(600)]
    found, _ = suspicious_labels(features, given, seed=0, groups=groups)
    assert len(wrong & {one.index for one in found}) >= 28 and len(found) <= 34
    rows = module._sample_rows(module._group_codes(groups, 600), 4, seed=0)
    assert len(rows) == 200 and (rows[::2] % 2 == 0).all() and (rows[1::2] == rows[::2] + 1).all()
