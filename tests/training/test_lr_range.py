"""The learning-rate range test: what is recorded, when it stops, what is suggested."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from tl_keras.errors import TrainingError
from tl_keras.training.lr_range import RatePoint, exponential_rates, range_test, suggest

RATES = exponential_rates(1e-7, 10, 60)


def problem(dropout: float = 0.0, classes: int = 3) -> tuple[keras.Model, tf.data.Dataset]:
    """Return an untrained classifier and batches of what it can learn; single batches are hard or easy."""
    keras.utils.set_random_seed(0)
    generator = np.random.default_rng(0)
    targets = generator.integers(classes, size=960)
    inputs = np.eye(classes)[targets] * generator.uniform(0.1, 5, (960, 1)) + generator.normal(
        0, 0.3, (960, 3)
    )
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dropout(dropout), keras.layers.Dense(classes, "softmax")]
    )
    model.compile(keras.optimizers.SGD(1.0, momentum=0.9), "categorical_crossentropy")
    ones = np.eye(classes, dtype=np.float32)[targets]
    return model, tf.data.Dataset.from_tensor_slices((inputs.astype(np.float32), ones)).batch(16)


def points(smoothed: list[float]) -> list[RatePoint]:
    rates = exponential_rates(1e-7, 1, len(smoothed))
    return [RatePoint(rate, loss, loss) for rate, loss in zip(rates, smoothed, strict=True)]


def test_rates_rise_by_the_same_factor():
    rates = exponential_rates(1e-4, 1, 5)
    assert rates == pytest.approx([1e-4, 1e-3, 1e-2, 1e-1, 1])


@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_rates_that_change_nothing_draw_a_flat_line_however_hard_single_batches_are(dropout):
    model, batches = problem(dropout)
    alone = [float(model.test_on_batch(*batch)) for batch in batches.take(10)]
    found = range_test(model, batches, RATES, lambda _: None)[:10]
    assert np.std(alone) > 0.02
    assert np.ptp([point.smoothed for point in found]) < 0.001


def test_the_rate_of_each_step_is_the_one_trained_at():
    model, batches = problem()
    seen = []
    step = model.train_on_batch
    model.train_on_batch = lambda *batch: (seen.append(float(model.optimizer.learning_rate)), step(*batch))
    found = range_test(model, batches, RATES[:20], lambda _: None)
    assert seen == pytest.approx([point.rate for point in found]) and seen == pytest.approx(RATES[:20])


def test_it_stops_where_the_smoothed_loss_is_four_times_its_minimum():
    model, batches = problem()
    done = []
    found = range_test(model, batches, exponential_rates(1e-5, 1e4, 60), done.append)
    lowest = min(point.smoothed for point in found)
    assert len(found) < 60 and found[-1].smoothed > 4 * lowest
    after = [point.smoothed for point in found[:-1]]
    assert max(after[after.index(lowest) :]) <= 4 * lowest
    assert sum(done) == 60 + len(found) - 1


def test_the_suggestion_trains_and_a_far_higher_rate_does_not():
    model, batches = problem()
    start = model.get_weights()
    found = suggest(range_test(model, batches, exponential_rates(1e-5, 1e4, 60), lambda _: None))
    assert found.rate is not None and "75% of the fall" in found.reason
    losses = []
    for rate in (found.rate, found.rate * 1000):
        model.set_weights(start)
        model.compile(keras.optimizers.SGD(rate, momentum=0.9), "categorical_crossentropy")
        losses.append(model.fit(batches, epochs=2, verbose=0, shuffle=False).history["loss"][-1])
    assert losses[0] < 0.5 < losses[1]


def test_a_model_that_is_broken_already_is_an_error():
    model, batches = problem()
    model.set_weights([np.full_like(weight, np.nan) for weight in model.get_weights()])
    with pytest.raises(TrainingError, match="nan before the first step"):
        range_test(model, batches, RATES, lambda _: None)


def test_a_loss_that_is_no_number_ends_it():
    model, batches = problem()
    model.compile(keras.optimizers.SGD(1.0), "mean_squared_error")
    model.layers[-1].activation = keras.activations.linear
    found = range_test(model, batches, exponential_rates(1e30, 1e38, 20), lambda _: None)
    assert 1 <= len(found) < 20 and all(np.isfinite(point.loss) for point in found)


@pytest.mark.parametrize(
    ("losses", "reason"),
    [
        ([2.0] * 60 + [3, 5, 9], "never falls"),
        ([2.0] * 30 + [*np.linspace(2, 1, 30)], "still falls at 1.0e+00"),
        ([2.0, 2.001] * 30, "hardly changes"),
        ([2.0, 9.0], "explodes from the lowest rate on"),
    ],
)
def test_curves_without_a_dip_give_no_suggestion(losses, reason):
    found = suggest(points(losses))
    assert found.rate is None
    assert reason in found.reason


def test_one_lucky_batch_at_the_start_is_no_dip():
    assert suggest(points([0.5, *[2.0, 2.4] * 30, 9.0])).rate is None


def test_the_rate_is_where_most_of_the_fall_is_done_however_wide_the_valley():
    for width in (3, 20):
        losses = [2.0] * 30 + [1.8, 1.6, 1.4, 1.2] + [1.0] * width + [4.0, 9.0]
        found = suggest(points(losses))
        assert found.rate == pytest.approx(exponential_rates(1e-7, 1, len(losses))[33], rel=0.05)
