"""Batches: every image once per epoch, in an order that only the seed and the epoch decide."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tests.images import class_folders
from tl_keras.config.schema import AugmentConfig
from tl_keras.core.geometry import Geometry
from tl_keras.data.batches import evaluation_batches, training_batches
from tl_keras.data.example import Example
from tl_keras.data.images.decode import decode
from tl_keras.data.loaders import ImageLoader, random_box

GEOMETRY = Geometry(16, 16)
CLASSES = ("green", "red")


@pytest.fixture(scope="module")
def examples(tmp_path_factory) -> list[Example]:
    folder = class_folders(tmp_path_factory.mktemp("images"), classes=2, per_class=5)
    return [Example(str(path), path.parent.name) for path in sorted(folder.rglob("*.jpg"))]


def loader(examples, cache_mb=10) -> ImageLoader:
    return ImageLoader(examples, CLASSES, GEOMETRY, task="multiclass", cache_mb=cache_mb)


def epochs_of(dataset, steps: int) -> list[np.ndarray]:
    images = [batch[0].numpy() for batch in dataset]
    return [np.concatenate(images[i : i + steps]) for i in range(0, len(images), steps)]


def as_set(images: np.ndarray) -> set[bytes]:
    return {image.tobytes() for image in images}


@pytest.mark.parametrize("cache_mb", [0, 10])
def test_evaluation_keeps_the_order(examples, cache_mb):
    held = loader(examples, cache_mb)
    for _ in range(2):
        batches = list(evaluation_batches(held, 4))
        assert [len(images) for images, _ in batches] == [4, 4, 2]
        images = np.concatenate([images for images, _ in batches])
        targets = np.concatenate([targets for _, targets in batches])
        for example, image, target in zip(examples, images, targets, strict=True):
            np.testing.assert_array_equal(image, decode(example.path, GEOMETRY))
            assert CLASSES[target.argmax()] == example.label and target.sum() == 1


def test_every_epoch_has_every_image_once_in_another_order(examples):
    def make(seed: int):
        return training_batches(loader(examples), AugmentConfig(), batch_size=4, epochs=3, seed=seed)

    first = epochs_of(make(7), 3)
    everything = as_set(loader(examples).images(np.arange(len(examples))))
    assert len(first) == 3 and all(as_set(epoch) == everything for epoch in first)
    assert (first[0] != first[1]).any() and (first[1] != first[2]).any()
    assert all((a == b).all() for a, b in zip(first, epochs_of(make(7), 3), strict=True))
    assert (first[0] != epochs_of(make(8), 3)[0]).any()


def test_the_parts_of_workers_are_the_batch_of_one_process(examples):
    def images(shard, held):
        batches = training_batches(
            held, AugmentConfig(), batch_size=4, epochs=2, seed=7, replicas=2, shard=shard
        )
        return [batch[0].numpy() for batch in batches]

    half = loader(examples, cache_mb=0)
    decoded = [images((number, 2), half) for number in range(2)]
    for whole, *parts in zip(images((0, 1), loader(examples)), *decoded, strict=True):
        np.testing.assert_array_equal(whole, np.concatenate(parts))
    sizes = [[len(rows) for rows, _ in evaluation_batches(half, 4, 2, (number, 2))] for number in range(2)]
    assert sizes == [[2, 2, 1]] * 2


def test_workers_change_the_same_image_in_ways_of_their_own(examples):
    same = loader([examples[0]] * 4)
    halves = [
        training_batches(
            same,
            AugmentConfig(random_resized_crop=0.3),
            batch_size=4,
            epochs=1,
            seed=0,
            replicas=2,
            shard=(number, 2),
        )
        for number in range(2)
    ]
    first, second = (as_set(next(iter(batches))[0].numpy()) for batches in halves)
    assert len(first | second) == 4


def test_random_resized_crops_repeat_and_vary(examples):
    config = AugmentConfig(random_resized_crop=0.2)

    def make():
        return training_batches(loader(examples), config, batch_size=5, epochs=2, seed=1)

    first, again = epochs_of(make(), 2), epochs_of(make(), 2)
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert not as_set(first[0]) & as_set(first[1])


def test_example_weights_follow_mixed_targets(examples):
    batches = training_batches(
        loader(examples), AugmentConfig(mixup=0.4), batch_size=5, epochs=1, seed=1, class_weights=[1.0, 3.0]
    )
    for _, targets, weights in batches:
        np.testing.assert_allclose(weights, targets.numpy() @ [1.0, 3.0], rtol=1e-5)


def test_multilabel_targets(examples):
    labels = ["green", "red", "green|red", ""]
    mixed = [Example(e.path, label) for e, label in zip(examples, labels, strict=False)]
    held = ImageLoader(mixed, CLASSES, GEOMETRY, task="multilabel", cache_mb=0)
    np.testing.assert_array_equal(held.targets(np.arange(4)), [[1, 0], [0, 1], [1, 1], [0, 0]])


def test_a_file_that_vanished_is_named(examples):
    gone = [*examples[:2], Example("/nowhere/gone.jpg", "red")]
    held = loader(gone, 0)
    with pytest.raises(tf.errors.OpError):
        list(evaluation_batches(held, 4))
    assert "/nowhere/gone.jpg was readable when it was checked" in str(held.failure)


def test_random_boxes_lie_inside_and_have_the_size_that_was_drawn():
    rng = np.random.default_rng(0)
    for _ in range(500):
        width, height = (int(side) for side in rng.integers(1, 4000, 2))
        left, top, right, bottom = random_box(width, height, 0.08, rng.random(4, np.float32))
        assert 0 <= left < right <= width + 1e-6 and 0 <= top < bottom <= height + 1e-6
    box = random_box(100, 100, 0.25, np.array([0.0, 0.5, 0.0, 1.0], np.float32))
    assert box == pytest.approx((0, 50, 50, 100))


def test_paths_of_any_script(tmp_path):
    path: Path = tmp_path / "一 张 照片.jpg"
    class_folders(tmp_path, classes=1, per_class=1)
    next(tmp_path.rglob("*.jpg")).rename(path)
    assert loader([Example(str(path), "red")]).images(np.array([0])).shape == (1, 16, 16, 3)
