from __future__ import annotations

import numpy as np
import pytest

from tl_keras.exporting.certificate import agreement


def _array(*rows: tuple[float, ...]) -> np.ndarray:
    return np.array(rows, np.float32)


def test_share_of_same_answers_and_largest_difference():
    found = agreement(_array((0.6, 0.4), (0.2, 0.8)), _array((0.45, 0.55), (0.1, 0.9)))
    assert (found.n, found.same_top1) == (2, 0.5)
    assert found.max_difference == pytest.approx(0.15)


def test_multilabel_compares_the_sets_of_classes():
    reference = _array((0.9, 0.6, 0.1), (0.4, 0.3, 0.2))
    exported = _array((0.9, 0.4, 0.1), (0.1, 0.2, 0.3))
    assert agreement(reference, exported).same_top1 == 0.5
    assert agreement(reference, exported, "multilabel").same_top1 == 0.5
    assert agreement(reference[1:], exported[1:], "multilabel").same_top1 == 1


def test_nan_is_never_the_same():
    broken = _array((np.nan, 0.5))
    found = agreement(_array((0.5, 0.5)), broken)
    assert found.same_top1 == 0
    assert np.isnan(found.max_difference)


@pytest.mark.parametrize("shape", [(2, 3), (3, 2), (0, 2)])
def test_arrays_that_cannot_be_compared(shape):
    with pytest.raises(ValueError, match="Expected two arrays"):
        agreement(np.zeros((2, 2) if shape[0] else shape, np.float32), np.zeros(shape, np.float32))
