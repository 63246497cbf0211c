"""Optimizers and schedules do what the settings say."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tl_keras.config import PhaseConfig, ScheduleConfig
from tl_keras.training.optimizers import make_optimizer, schedule_callbacks, stepped_rate


def phase(**settings) -> PhaseConfig:
    return PhaseConfig(**settings)


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw", "rmsprop"])
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


@pytest.mark.parametrize("warmup", [0, 2])
def test_cosine_ends_at_zero_after_its_peak(warmup):
    settings = phase(
        epochs=10, learning_rate=0.5, schedule=ScheduleConfig(kind="cosine", warmup_epochs=warmup)
    )
    rate = make_optimizer(settings, steps_per_epoch=4)._learning_rate
    values = [float(rate(step)) for step in range(41)]
    assert max(values) == pytest.approx(0.5)
    assert values.index(max(values)) == warmup * 4
    assert values[0] == pytest.approx(0.5 if warmup == 0 else 0)
    assert values[-1] == pytest.approx(0, abs=1e-6)
    assert schedule_callbacks(settings) == []
