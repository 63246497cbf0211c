"""Whether transfer helped: the verdict, and the interval it rests on."""

from __future__ import annotations

import numpy as np
import pytest

from tl_keras.evaluation.transfer import TransferGain, transfer_gain


def gain(transferred: list[int], scratch: list[int]) -> TransferGain:
    """Compare two classifiers of two classes; 1 where they were right."""
    targets = np.tile(np.array([[1, 0]], np.float32), (len(transferred), 1))
    sides = [np.eye(2, dtype=np.float32)[1 - np.array(right)] for right in (transferred, scratch)]
    return transfer_gain(*sides, targets, "multiclass", seconds=2.0, epochs=3)


@pytest.mark.parametrize(
    ("transferred", "scratch", "verdict"),
    [
        ([1] * 90 + [0] * 10, [1] * 50 + [0] * 50, "positive"),
        ([1] * 51 + [0] * 49, [0] * 50 + [1] * 50, "unclear"),
        ([1] * 50 + [0] * 50, [1] * 50 + [0] * 50, "negative"),
        ([1] * 40 + [0] * 60, [1] * 50 + [0] * 50, "negative"),
    ],
)
def test_the_verdict(transferred, scratch, verdict):
    found = gain(transferred, scratch)
    assert found.verdict == verdict
    assert found.gain == pytest.approx(found.transferred - found.scratch)
    assert found.interval[0] <= found.gain <= found.interval[1]


def test_the_interval_rests_on_the_images_that_only_one_got_right():
    """By hand: 10 won, 2 lost of 100; sd of the differences sqrt(0.12 - 0.0064)."""
    found = gain([1] * 10 + [0] * 2 + [1] * 88, [0] * 10 + [1] * 2 + [1] * 88)
    assert found.gain == pytest.approx(0.08)
    assert found.interval == pytest.approx((0.08 - 1.96 * 0.1136**0.5 / 10, 0.08 + 1.96 * 0.1136**0.5 / 10))


def test_it_survives_json():
    found = gain([1, 1, 0], [1, 0, 0])
    assert TransferGain.from_dict({**found.to_dict(), "interval": list(found.interval)}) == found
    assert "+0.333" in found.describe() and "same 2 s" in found.describe()
