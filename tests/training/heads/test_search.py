"""Choosing a head on features: what is tried, by which rows, and what wins."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from tl_keras.config.loading import load_config
from tl_keras.data.example import Example
from tl_keras.data.loaders import Loader
from tl_keras.training.heads.bank import BankData, train_bank
from tl_keras.training.heads.search import search_head
from tl_keras.training.heads.statistics import column_statistics


class Made(Loader):
    """Features made up for a test."""

    def __init__(self, features: np.ndarray, labels: list[str], task: str = "multiclass") -> None:
        classes = sorted({part for label in labels for part in label.split("|") if part})
        super().__init__([Example(str(n), label) for n, label in enumerate(labels)], classes, task)
        self._features = features.astype(np.float32)

    @property
    def element(self) -> tf.TensorSpec:
        return tf.TensorSpec(self._features.shape[1:], tf.float32)

    def load(self, rows: np.ndarray) -> np.ndarray:
        return self._features[rows]


def blobs(count: int = 120, width: int = 6, spread: float = 1.0, seed: int = 0) -> Made:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, count)
    centres = rng.normal(size=(3, width)) * 3
    features = centres[labels] + rng.normal(size=(count, width)) * spread
    return Made(features, [f"class {label}" for label in labels])


@pytest.fixture
def brief(monkeypatch):
    """Let a search end after few steps, for tests that do not ask how good what it finds is."""
    monkeypatch.setattr("tl_keras.training.heads.search.SEARCH_EPOCHS", 2)
    monkeypatch.setattr("tl_keras.training.heads.search.HIDDEN_EPOCHS", 2)


def settings(**overrides):
    return load_config(overrides={path.replace("__", "."): value for path, value in overrides.items()})


def test_the_grid_is_tried_and_the_best_comes_first():
    search = search_head(blobs(), settings())
    assert search is not None and (search.rows, search.folds) == (120, 3)
    losses = [trial.loss for trial in search.trials]
    assert losses == sorted(losses) and search.trials[0].accuracy > 0.95
    linear = {(t.standardize, t.learning_rate, t.weight_decay) for t in search.trials if not t.hidden}
    assert len(linear) == 12 and {key[0] for key in linear} == {True, False}
    assert sum(trial.hidden > 0 for trial in search.trials) == 1
    rows = list(csv.DictReader(io.StringIO(search.to_csv())))
    assert len(rows) == 13 and float(rows[0]["loss"]) == losses[0]
    assert "best of 13 by 3-fold cross-validation of 120 training images" in search.describe()


def test_features_of_wild_scales_are_standardised():
    data = blobs()
    wild = Made(data.load(np.arange(120)) * 10.0 ** np.arange(-4, 2), [e.label for e in data.examples])
    search = search_head(wild, settings())
    assert search is not None and search.trials[0].standardize


def test_held_out_rows_are_not_learnt_from():
    rng = np.random.default_rng(0)
    noise = Made(rng.normal(size=(300, 200)), [f"class {n}" for n in rng.integers(0, 3, 300)])
    search = search_head(noise, settings())
    assert search is not None and all(0.2 < trial.accuracy < 0.47 for trial in search.trials)


@pytest.mark.usefixtures("brief")
def test_the_same_seed_finds_the_same():
    assert search_head(blobs(), settings()) == search_head(blobs(), settings())
    assert search_head(blobs(), settings()) != search_head(blobs(), settings(runtime__seed=1))


@pytest.mark.usefixtures("brief")
def test_what_is_set_stays_as_it_is():
    config = settings(
        train__learning_rate=0.02, train__weight_decay=0.5, train__epochs=7, train__batch_size=9
    )
    search = search_head(blobs(), config)
    assert search is not None
    assert {(trial.learning_rate, trial.weight_decay) for trial in search.trials} == {(0.02, 0.5)}
    train = search.applied_to(config).train
    assert (train.learning_rate, train.weight_decay, train.epochs, train.batch_size) == (0.02, 0.5, 7, 9)
    free = search.applied_to(settings())
    assert free.train.epochs == 60 and free.train.schedule.kind == "cosine"
    assert free.head is not None and free.head.standardize == search.trials[0].standardize


def test_several_labels_per_image():
    rng = np.random.default_rng(0)
    here = rng.random((150, 2)) < 0.5
    labels = ["|".join(name for name, yes in zip(("a", "b"), row, strict=True) if yes) for row in here]
    data = Made(here * 4 + rng.normal(size=(150, 2)), labels, "multilabel")
    search = search_head(data, settings(data__task="multilabel"))
    assert search is not None and search.trials[0].accuracy > 0.85


@pytest.mark.usefixtures("brief")
def test_too_few_rows_leave_nothing_to_choose_by():
    assert search_head(blobs(5), settings()) is None


@pytest.mark.usefixtures("brief")
def test_a_class_of_one_image_does_not_stop_it():
    data = blobs(30)
    labels = [example.label for example in data.examples]
    assert search_head(Made(data.load(np.arange(30)), ["rare", *labels[1:]]), settings()) is not None


@pytest.mark.usefixtures("brief")
def test_of_many_rows_a_sample_is_taken_and_a_fifth_held_out():
    search = search_head(blobs(12_000, width=3), settings())
    assert search is not None and (search.rows, search.folds) == (10_000, 1)


def test_heads_of_a_bank_do_not_touch_each_other():
    data = blobs(60)
    rows = np.arange(60)
    learned = BankData(data.load(rows), data.targets(rows), False, 16, 5, seed=0)
    half = (rows % 2).astype(np.float32)

    def losses(rates: list[float], decays: list[float], parts: np.ndarray) -> np.ndarray:
        both = {"trained_on": parts, "held_out": 1 - parts}
        return train_bank(
            learned, hidden=0, dropout=0.0, rates=np.float32(rates), decays=np.float32(decays), **both
        )[0]

    alone = losses([0.01], [0.1], half[None])
    beside = losses([0.3, 0.01], [0, 0.1], np.stack([1 - half, half]))
    assert beside[1] == pytest.approx(alone[0], rel=1e-5)


def test_statistics_of_columns():
    features = np.random.default_rng(0).normal(5, [2, 20, 0], (5000, 3)).astype(np.float32)
    mean, deviation = column_statistics(Made(features, ["a", "b"] * 2500))
    np.testing.assert_allclose(mean, features.mean(axis=0), rtol=1e-4)
    nearly_constant = 0.01 * features[:, 0].std()
    expected = [features[:, 0].std(), features[:, 1].std(), nearly_constant]
    np.testing.assert_allclose(deviation, expected, rtol=1e-4)
    _, ones = column_statistics(Made(np.full((10, 2), 7.0), ["a", "b"] * 5))
    np.testing.assert_array_equal(ones, [1, 1])


def test_copies_are_not_learnt_from_and_asked_for():
    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(100, 50)), [f"class {n}" for n in rng.integers(0, 2, 100)]
    data = Made(np.repeat(features, 4, axis=0), list(np.repeat(labels, 4)))
    data.examples = [replace(e, sha256=f"{n // 4:064x}") for n, e in enumerate(data.examples)]
    search = search_head(data, settings())
    assert search is not None and search.rows == 100
    assert all(trial.accuracy < 0.7 for trial in search.trials), "noise cannot be told apart"


@pytest.mark.usefixtures("brief")
def test_more_classes_than_held_out_rows_do_not_stop_it():
    rng = np.random.default_rng(0)
    labels = [f"class {n}" for n in np.repeat(np.arange(1300), 4)]
    assert search_head(Made(rng.normal(size=(5200, 2)), labels), settings()) is not None


def test_balanced_classes_weigh_alike_in_the_choice():
    rng = np.random.default_rng(0)
    labels = ["rare"] * 20 + ["common"] * 380
    data = Made(rng.normal(size=(400, 3)), labels)
    plain, balanced = (search_head(data, settings(train__class_weight=w)) for w in ("none", "balanced"))
    assert plain is not None and plain.trials[0].accuracy > 0.9
    assert balanced is not None and balanced.trials[0].accuracy < 0.75


@pytest.mark.usefixtures("brief")
def test_other_optimizers_keep_their_rates():
    search = search_head(blobs(), settings(train__optimizer="sgd"))
    assert search is not None
    config = search.applied_to(settings(train__optimizer="sgd"))
    assert config.head is not None and config.train == settings(train__optimizer="sgd").train
