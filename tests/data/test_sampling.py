"""Balanced draws: all classes alike, all images of a class in turn, and nothing remembered."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import tensorflow as tf

from tl_keras.config.schema import AugmentConfig
from tl_keras.data.batches import steps_per_epoch, training_batches
from tl_keras.data.example import Example
from tl_keras.data.loaders import Loader
from tl_keras.data.sampling import BalancedDraws

LABELS = ["ant"] * 2 + ["bee"] * 20 + ["cat"] * 5


class RowNumbers(Loader):
    """Gives the numbers of the rows that it is asked for."""

    def __init__(self, labels: list[str], views: int = 1) -> None:
        examples = [Example(str(number), label) for number, label in enumerate(labels)]
        super().__init__(examples, sorted(set(labels)), "multiclass")
        self.views = views

    @property
    def element(self) -> tf.TensorSpec:
        return tf.TensorSpec([], tf.int64)

    def load(self, rows: np.ndarray) -> np.ndarray:
        return rows


def batches(labels=LABELS, *, views=1, epochs=6, seed=7, **more) -> list[np.ndarray]:
    options = {"batch_size": 4, "sampling": "balanced", **more}
    loader = RowNumbers(labels, views)
    return [
        b[0].numpy() for b in training_batches(loader, AugmentConfig(), epochs=epochs, seed=seed, **options)
    ]


def epochs_of(found: list[np.ndarray], steps: int) -> list[np.ndarray]:
    return [np.concatenate(found[i : i + steps]) for i in range(0, len(found), steps)]


def by_class(rows: np.ndarray) -> Counter[str]:
    return Counter(LABELS[row % len(LABELS)] for row in rows)


def test_an_epoch_is_as_long_as_ever_and_has_as_many_of_each_class():
    epochs = epochs_of(batches(), steps_per_epoch(len(LABELS), 4))
    assert [len(epoch) for epoch in epochs] == [27] * 6
    assert all(by_class(epoch) == {"ant": 9, "bee": 9, "cat": 9} for epoch in epochs)


def test_what_cannot_be_divided_goes_to_each_class_in_turn():
    draws = BalancedDraws(["ant"] * 9 + ["bee"] * 2, 1, 0)
    counts = [Counter(int(row) < 9 for row in draws.epoch(number, 11)) for number in range(4)]
    assert [count[True] for count in counts] == [6, 5, 6, 5]


def test_every_image_of_a_class_is_used_as_often_as_the_others():
    draws = BalancedDraws(LABELS, 1, 3)
    seen: Counter[int] = Counter()
    for number in range(30):
        seen.update(draws.epoch(number, len(LABELS)).tolist())
        for label in "ant", "bee", "cat":
            used = [seen[row] for row in range(len(LABELS)) if LABELS[row] == label]
            assert max(used) - min(used) <= 1


def test_orders_differ_between_epochs_and_seeds_and_repeat():
    first, again, other = (epochs_of(batches(seed=seed), 7) for seed in (1, 1, 2))
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert any((a != b).any() for a, b in zip(first, other, strict=True))
    assert (first[0] != first[1]).any() and not (np.diff([LABELS[r] == "bee" for r in first[0]]) == 0).all()


@pytest.mark.parametrize("start", [1, 7, 17])
def test_it_goes_on_from_any_step(start):
    whole, rest = batches(), batches(start=start)
    assert len(rest) == len(whole) - start
    assert all((a == b).all() for a, b in zip(whole[start:], rest, strict=True))


def test_the_views_of_an_image_take_turns():
    draws = BalancedDraws(LABELS, 3, 0)
    rows = np.concatenate([draws.epoch(number, len(LABELS)) for number in range(40)])
    seen = Counter(rows.tolist())
    for image in range(len(LABELS)):
        views = [seen[image + len(LABELS) * view] for view in range(3)]
        assert min(views) > 0 and max(views) - min(views) <= 1
    assert set(np.concatenate(batches(views=3, epochs=40)).tolist()) == set(range(3 * len(LABELS)))


def test_replicas_share_an_epoch_equally_and_classes_stay_balanced():
    epochs = epochs_of(batches(replicas=2, epochs=3), steps_per_epoch(len(LABELS), 4, 2))
    assert [len(epoch) for epoch in epochs] == [26] * 3
    assert all(max(by_class(epoch).values()) - min(by_class(epoch).values()) <= 1 for epoch in epochs)


def test_a_class_that_is_known_but_has_no_images_is_passed_over():
    loader = RowNumbers(["ant"] * 3 + ["cat"])
    loader.classes = ("ant", "bee", "cat")
    options = {"batch_size": 4, "epochs": 1, "seed": 0, "sampling": "balanced"}
    (rows,) = (batch[0].numpy() for batch in training_batches(loader, AugmentConfig(), **options))
    assert Counter(rows.tolist())[3] == 2


def test_natural_epochs_are_what_they_have_always_been():
    count, seed = len(LABELS), 7
    natural = epochs_of(batches(sampling="natural", views=2, seed=seed), 7)
    for epoch, rows in enumerate(natural):
        key = tf.constant([seed, epoch], tf.int64)
        order = tf.random.experimental.index_shuffle(tf.range(count, dtype=tf.int64), key, count - 1).numpy()
        np.testing.assert_array_equal(rows, order + count * ((order + epoch) % 2))
