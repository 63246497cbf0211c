"""Optimizers and schedules do what the settings say."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tl_keras.config.schema import PhaseConfig, ScheduleConfig
from tl_keras.training.optimizers.factory import (
    make_optimizer,
    schedule_callbacks,
    stepped_rate,
)


def phase(**settings) -> PhaseConfig:
    return PhaseConfig(**settings)


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw", "rmsprop", "lion"])
def test_each_optimizer_moves_a_weight_against_its_gradient(name):
    weight = keras.Variable(np.ones(3, np.float32))
    optimizer = make_optimizer(phase(optimizer=name, learning_rate=0.1), 5)
    optimizer.apply([keras.ops.ones(3)], [weight])
    assert (np.asarray(weight) < 1).all()


def test_sgd_with_momentum_in_numbers():
    weight = keras.Variable(np.zeros(1, np.float32))
    optimizer = make_optimizer(phase(optimizer="sgd", learning_rate=0.1, momentum=0.9), 5)
    for _ in range(2):
        optimizer.apply([keras.ops.ones(1)], [weight])
    assert float(np.asarray(weight)[0]) == pytest.approx(-0.1 - 0.19)


def test_weight_decay_spares_biases():
    dense = keras.layers.Dense(2, name="dense")
    dense.build((None, 2))
    dense.set_weights([np.ones((2, 2)), np.ones(2)])
    optimizer = make_optimizer(phase(optimizer="sgd", learning_rate=0.1, weight_decay=0.5), 5)
    zeros = [keras.ops.zeros(weight.shape) for weight in dense.trainable_variables]
    optimizer.apply(zeros, dense.trainable_variables)
    kernel, bias = dense.get_weights()
    assert (kernel < 1).all() and (bias == 1).all()


@pytest.mark.parametrize(("monitor", "mode"), [("val_loss", "min"), ("val_accuracy", "max")])
def test_the_plateau_looks_the_right_way(monitor, mode):
    [plateau] = schedule_callbacks(phase(monitor=monitor))
    assert (plateau.monitor, plateau.mode) == (monitor, mode)


def test_step_decay():
    settings = phase(learning_rate=1e-3, schedule=ScheduleConfig(kind="step", every=7, factor=0.1))
    rates = [stepped_rate(settings, epoch) for epoch in (0, 6, 7, 13, 14)]
    assert rates == pytest.approx([1e-3, 1e-3, 1e-4, 1e-4, 1e-5])
    assert len(schedule_callbacks(settings)) == 1


def rates(settings: PhaseConfig, updates: int, **how) -> list[float]:
    """Return the rate of each update as the optimizer sees it, and the one that would come after the last."""
    optimizer = make_optimizer(settings, **how)
    weight = keras.Variable(np.ones(1, np.float32))
    every, seen = optimizer.gradient_accumulation_steps or 1, []
    for _ in range(updates + 1):
        seen.append(float(optimizer.learning_rate))
        for _ in range(every):
            optimizer.apply([keras.ops.ones(1)], [weight])
    return seen


@pytest.mark.parametrize("warmup", [0, 2])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_cosine_ends_at_zero_after_its_peak(warmup, accumulate):
    settings = phase(
        epochs=10,
        learning_rate=0.5,
        accumulate=accumulate,
        schedule=ScheduleConfig(kind="cosine", warmup_epochs=warmup),
    )
    values = rates(settings, 40 // accumulate, steps_per_epoch=4)
    assert max(values) == pytest.approx(0.5)
    assert values.index(max(values)) == warmup * 4 // accumulate
    assert values[0] == pytest.approx(0.5 if warmup == 0 else 0)
    assert values[-1] == pytest.approx(0, abs=1e-6)
    assert schedule_callbacks(settings) == []


@pytest.mark.parametrize("accumulate", [1, 2])
def test_one_cycle_rises_in_30_percent_of_the_updates_and_falls_in_the_rest(accumulate):
    settings = phase(
        epochs=99, learning_rate=0.5, accumulate=accumulate, schedule=ScheduleConfig(kind="one_cycle")
    )
    values = rates(settings, 21, steps_per_epoch=3 * accumulate, epochs=7)
    first, top, last = 0.5 / 25, 0.5, 0.5 / 25 / 1e4
    # Half-way of a cosine is half-way between its ends; 3 and 13 are half-way of either part.
    expected = [first, (first + top) / 2, top, (top + last) / 2, last, last]
    assert [values[update] for update in (0, 3, 6, 13, 20, 21)] == pytest.approx(expected, rel=1e-3)
    assert values[:7] == sorted(values[:7]) and values[6:] == sorted(values[6:], reverse=True)
    assert schedule_callbacks(settings) == []


@pytest.mark.parametrize("kind", ["cosine", "one_cycle"])
def test_a_schedule_of_a_single_update(kind):
    settings = phase(epochs=1, learning_rate=3e-3, schedule=ScheduleConfig(kind=kind))
    assert all(0 <= rate < 0.00301 for rate in rates(settings, 1, steps_per_epoch=1))


def test_the_rate_goes_with_the_images_per_update():
    settings = phase(learning_rate=0.1, learning_rate_batch=256, batch_size=32, accumulate=4)
    assert settings.effective_rate(512) == pytest.approx(0.2)
    assert phase(learning_rate=0.1).effective_rate(512) == 0.1
    assert float(make_optimizer(settings, 5).learning_rate) == pytest.approx(0.05)
    assert float(
        make_optimizer(settings, 5, images_per_step=16, accumulate=4).learning_rate
    ) == pytest.approx(0.025)
    assert stepped_rate(settings, 0) == pytest.approx(0.05)
    assert stepped_rate(settings, 7, images_per_update=256) == pytest.approx(0.01)


def test_the_step_schedule_sets_the_rate_that_goes_with_the_images():
    settings = phase(learning_rate_batch=64, schedule=ScheduleConfig(kind="step"))
    [callback] = schedule_callbacks(settings, images_per_update=128)
    assert callback.schedule(0) == pytest.approx(settings.learning_rate * 2)
