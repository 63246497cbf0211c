"""Whether transfer helped: the verdict, and the interval it rests on."""

from __future__ import annotations

import numpy as np
import pytest

from tl_keras.evaluation.transfer_gain import TransferGain, transfer_gain


def gain(transferred: list[int], scratch: list[int], epochs: float = 3.0) -> TransferGain:
    """Compare two classifiers of two classes; 1 where they were right."""
    targets = np.tile(np.array([[1, 0]], np.float32), (len(transferred), 1))
    sides = [np.eye(2, dtype=np.float32)[1 - np.array(right)] for right in (transferred, scratch)]
    return transfer_gain(*sides, targets, "multiclass", seconds=2.0, epochs=epochs)


@pytest.mark.parametrize(
    ("transferred", "scratch", "verdict", "text"),
    [
        ([1] * 90 + [0] * 10, [1] * 50 + [0] * 50, "positive", "Transfer helps"),
        ([1] * 51 + [0] * 49, [1] * 50 + [0] * 50, "unclear", "No clear gain"),
        ([1] * 5, [1] * 5, "unclear", "No clear gain"),
        ([1] * 99 + [0], [1] * 100, "unclear", "No clear gain"),
        (
            [1] * 40 + [0] * 60,
            [1] * 70 + [0] * 30,
            "negative",
            "Negative transfer",
        ),
    ],
)
def test_the_verdict(transferred, scratch, verdict, text):
    found = gain(transferred, scratch)
    assert found.verdict == verdict and found.describe().startswith(text)
    assert found.gain == pytest.approx(found.transferred - found.scratch)
    assert -1 <= found.interval[0] <= found.gain <= found.interval[1] <= 1


def test_the_interval_rests_on_the_images_that_only_one_got_right():
    """By hand, with half an image more in each of the four outcomes: 10.5 won, 2.5 lost of 102."""
    found = gain([1] * 10 + [0] * 2 + [1] * 88, [0] * 10 + [1] * 2 + [1] * 88)
    margin = 1.96 * (13 - 64 / 102) ** 0.5 / 102
    assert found.gain == pytest.approx(0.08)
    assert found.interval == pytest.approx((8 / 102 - margin, 8 / 102 + margin))


def test_a_training_too_short_to_judge_by_is_said():
    assert "1.5 epochs are too few" in gain([1, 1], [0, 0], epochs=1.5).describe()
    assert "too few" not in gain([1, 1], [0, 0], epochs=3.0).describe()


def test_it_survives_json():
    found = gain([1, 1, 0], [1, 0, 0])
    assert TransferGain.from_dict({**found.to_dict(), "interval": list(found.interval)}) == found
    assert "+0.333" in found.describe() and "same 2 s" in found.describe()
