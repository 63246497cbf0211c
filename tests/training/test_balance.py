"""Imbalance: weights of classes and balanced draws, in the training and in the choice of a head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.training.heads.test_search import Made, settings
from tl_keras.data.class_weights import balancing_weights, require_known_classes
from tl_keras.data.loaders import Loader
from tl_keras.distributed.devices import plan_devices
from tl_keras.errors import ConfigError
from tl_keras.training.heads.search import _parts, search_head
from tl_keras.training.spec import TrainSpec
from tl_keras.training.trainer import train

CLASSES = ("ant", "bee", "cat")


def telling_nothing(*counts: int) -> Made:
    """Return features by which no class can be told, so that only what classes count decides."""
    labels = [name for name, count in zip(CLASSES, counts, strict=True) for _ in range(count)]
    data = Made(np.zeros((len(labels), 2)), labels)
    Loader.__init__(data, data.examples, CLASSES, "multiclass")  # also classes that have no images
    return data


DATA = telling_nothing(10, 50, 30)


def learnt(folder: Path, val: Sequence[int], **overrides) -> np.ndarray:
    """Train on `DATA`; return the probability of each class. `val` is what the best epoch is chosen by."""
    keras.utils.set_random_seed(0)
    layer = keras.layers.Dense(3, activation="softmax", kernel_initializer="zeros")
    model = keras.Sequential([keras.Input([2]), layer])
    config = settings(train__learning_rate=0.03, train__epochs=40, train__batch_size=30, **overrides)
    judge = telling_nothing(*val)
    device = plan_devices(config.runtime)
    train(
        replace(TrainSpec.from_config(config, config.train, device, model, DATA, judge), short_steps=True),
        folder,
    )
    return model(np.zeros((1, 2)))[0].numpy()


@pytest.mark.parametrize(
    ("overrides", "val", "expected"),
    [
        ({}, (1, 5, 3), (1 / 9, 5 / 9, 3 / 9)),
        ({"train__class_weight": {"ant": 1000}}, (1, 0, 0), (0.9, 0.05, 0.05)),
        ({"train__class_weight": {"bee": 0}}, (1, 0, 3), (1 / 4, 0, 3 / 4)),
        ({"train__class_weight": "balanced"}, (1, 1, 1), (1 / 3, 1 / 3, 1 / 3)),
        ({"data__sampling": "balanced"}, (1, 1, 1), (1 / 3, 1 / 3, 1 / 3)),
        ({"data__sampling": "balanced", "train__class_weight": {"bee": 2}}, (1, 2, 1), (1 / 4, 2 / 4, 1 / 4)),
    ],
)
def test_what_a_class_counts_reaches_the_loss(tmp_path, overrides, val, expected):
    np.testing.assert_allclose(learnt(tmp_path, val, **overrides), expected, atol=0.1)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ({}, (1, 1, 1)),
        ({"train__class_weight": {"ant": 7, "cat": 0}}, (7, 1, 0)),
        ({"train__class_weight": "balanced"}, (3, 0.6, 1)),
        ({"data__sampling": "balanced"}, (3, 0.6, 1)),
        ({"data__sampling": "balanced", "train__class_weight": {"bee": 2}}, (3, 1.2, 1)),
    ],
)
def test_the_choice_of_a_head_sees_the_same(overrides, expected):
    targets = DATA.targets(np.arange(len(DATA)))
    parts = _parts(DATA, targets, settings(**overrides))
    rows = targets @ np.array(expected, np.float32)
    np.testing.assert_allclose(parts.trained_on + parts.held_out, np.tile(rows, (3, 1)), rtol=1e-5)


def test_balancing_weights_are_what_balanced_draws_come_to():
    assert balancing_weights(DATA) == pytest.approx([3, 0.6, 1])


def test_a_head_is_chosen_though_some_folds_hold_no_row_that_counts():
    labels = ["rare", *["common"] * 40]
    data = Made(np.random.default_rng(0).normal(size=(41, 3)), labels)
    search = search_head(data, settings(train__class_weight={"common": 0}))
    assert search is not None and all(np.isfinite(trial.loss) for trial in search.trials)


@pytest.mark.parametrize("section", ["train", "finetune"])
def test_weights_of_unknown_classes_name_those_there_are(section):
    config = settings(**{f"{section}__class_weight": {"ant": 2, "beee": 3}})
    with pytest.raises(ConfigError) as caught:
        require_known_classes(config, CLASSES)
    assert f"{section}.class_weight: there is no class 'beee'. Did you mean 'bee'?" in str(caught.value)
    assert "'ant', 'bee', 'cat'" in str(caught.value)
    require_known_classes(config, ("ant", "beee"))


def test_weights_that_leave_nothing_to_learn_are_refused():
    config = settings(train__class_weight=dict.fromkeys(CLASSES, 0))
    with pytest.raises(ConfigError, match="every class weighs 0"):
        require_known_classes(config, CLASSES)
    require_known_classes(config, (*CLASSES, "dog"))
