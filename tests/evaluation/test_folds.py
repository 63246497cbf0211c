"""Several folds in one figure."""

from __future__ import annotations

import numpy as np
import pytest

from tl_keras.evaluation.folds import summarize
from tl_keras.evaluation.metrics import score, wilson_interval

LABELS = ("ant", "bee")


def fold(true: list[int], said: list[int]):
    return score(np.eye(2, dtype=np.float32)[said], np.eye(2, dtype=np.float32)[true], LABELS, "multiclass")


def test_folds_of_different_sizes():
    found = summarize([fold([0, 0, 1, 1], [0, 0, 1, 0]), fold([0, 1], [1, 1])])
    assert found.accuracy == pytest.approx((0.75 + 0.5) / 2)
    assert found.deviation == pytest.approx(np.std([0.75, 0.5], ddof=1))
    assert (found.folds, found.images, found.pooled) == (2, 6, pytest.approx(4 / 6))
    assert found.interval == wilson_interval(4, 6)
    assert [(c.name, c.recall, c.images) for c in found.recall] == [
        ("ant", pytest.approx(2 / 3), 3), ("bee", pytest.approx(2 / 3), 3)
    ]  # fmt: skip
    assert found.headline().startswith("accuracy 0.625 +- 0.177 over 2 folds; pooled 0.667, 95% interval 0.3")
    assert found.headline().endswith(", 6 images")


def test_a_class_that_is_in_one_fold_only():
    found = summarize([fold([0, 0], [0, 0]), fold([0, 0], [0, 1])])
    assert [(c.recall, c.images) for c in found.recall] == [(0.75, 4), (0.0, 0)]
