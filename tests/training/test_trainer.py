"""A phase by itself: batches that do not fit into memory, rates for other batches, losses that explode."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from tl_keras.config.schema import Config, FinetuneConfig, PhaseConfig, RuntimeConfig, ScheduleConfig
from tl_keras.core.types import Indices
from tl_keras.data.example import Example
from tl_keras.data.loaders import Loader
from tl_keras.distributed.devices import plan_devices
from tl_keras.errors import ConfigError, TrainingError
from tl_keras.training.spec import PhaseResult, TrainSpec
from tl_keras.training.trainer import train

CLASSES = ("a", "b")


class Rows(Loader):
    """32 rows of two numbers, of which no more than `at_once` fit into memory."""

    def __init__(self, at_once: int = 32) -> None:
        examples = [Example(path=str(n), label=CLASSES[n % 2], sha256=str(n)) for n in range(32)]
        super().__init__(examples, CLASSES, "multiclass")
        self._at_once = at_once
        self._values = np.random.default_rng(0).normal(size=(32, 2)).astype(np.float32)
        self._values[:, 0] += np.arange(32) % 2

    @property
    def element(self) -> tf.TensorSpec:
        return tf.TensorSpec((2,), tf.float32)

    def load(self, rows: Indices) -> np.ndarray:
        if len(rows) > self._at_once:
            raise MemoryError
        return self._values[rows]


def trained(
    folder: Path, *, at_once: int = 32, own: type[PhaseConfig] = PhaseConfig, **settings: Any
) -> tuple[PhaseResult, list[np.ndarray]]:
    """Train a linear model and return how it went, and its weights."""
    keras.utils.set_random_seed(0)
    layers = [keras.Input((2,)), keras.layers.Dense(2, activation="softmax", kernel_initializer="zeros")]
    model = keras.Sequential(layers)
    phase = own(**{"epochs": 3, "schedule": ScheduleConfig(kind="constant"), "optimizer": "sgd", **settings})
    device = plan_devices(RuntimeConfig(strategy="none"))
    rows, val = Rows(at_once), Rows(at_once)
    result = train(TrainSpec.from_config(Config(), phase, device, model, rows, val), folder)
    return result, model.get_weights()


def test_a_batch_that_does_not_fit_is_halved_to_the_same_effect(tmp_path, capfd):
    _, halved = trained(tmp_path / "auto", at_once=8, batch_size="auto", learning_rate=0.1)
    said = capfd.readouterr().err
    assert "out of memory: now 16 images per step, 2 steps per update" in said
    assert "out of memory: now 8 images per step, 4 steps per update" in said
    _, whole = trained(tmp_path / "whole", batch_size=32, learning_rate=0.1)
    for ours, theirs in zip(halved, whole, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)


def test_a_batch_size_that_is_asked_for_is_not_changed(tmp_path):
    with pytest.raises(tf.errors.ResourceExhaustedError):
        trained(tmp_path, at_once=8, batch_size=16)


def test_the_rate_may_be_meant_for_another_number_of_images(tmp_path):
    """Twice the rate for half the images is the same rate."""
    _, scaled = trained(tmp_path / "scaled", batch_size=16, learning_rate=0.2, learning_rate_batch=32)
    _, plain = trained(tmp_path / "plain", batch_size=16, learning_rate=0.1)
    assert all(map(np.array_equal, scaled, plain))


def test_an_update_that_would_never_come_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="100 steps make an update, and there are only 6"):
        trained(tmp_path, batch_size=16, accumulate=100)


def test_a_loss_that_explodes_ends_the_phase_with_the_best_weights(tmp_path):
    result, weights = trained(tmp_path, learning_rate=1e3, momentum=0.0, epochs=30, early_stopping=0)
    assert "The loss on val grew to" in result.failure and "at learning rate 1e+03" in result.failure
    assert result.best_epoch < result.epochs < 30 and all(np.isfinite(array).all() for array in weights)
    best = f"The weights of epoch {result.best_epoch}, the best until then, are in here"
    with pytest.raises(TrainingError, match=best):
        result.require_success(Path("here"))


def test_an_epoch_whose_loss_is_no_number_is_never_the_best(tmp_path):
    """All answers are then the first class, which is right for half of the rows."""
    with pytest.raises(TrainingError, match=r"The loss became (nan|inf) in epoch 1"):
        trained(tmp_path, learning_rate=1e38, momentum=0.0, batch_size=8, monitor="val_accuracy")


def test_out_of_memory_after_an_interruption_throws_nothing_away(tmp_path):
    trained(tmp_path, batch_size="auto", epochs=5)
    kept = sorted(tmp_path.rglob("*.npz"))
    assert kept
    with pytest.raises(tf.errors.ResourceExhaustedError):
        trained(tmp_path, at_once=8, batch_size="auto", epochs=5)
    assert sorted(tmp_path.rglob("*.npz")) == kept


def test_stages_and_epochs_say_how_long_a_phase_is():
    stages = FinetuneConfig(stages=[{"epochs": 2, "unfreeze": "none"}, {"epochs": 3, "unfreeze": "all"}])
    assert [stage.epochs for stage in stages.all_stages] == [2, 3]
    single = FinetuneConfig(epochs=4, unfreeze=["conv5_.*"])
    assert [(stage.epochs, stage.unfreeze) for stage in single.all_stages] == [(4, ("conv5_.*",))]
