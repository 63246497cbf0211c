"""Examples -> `tf.data`: one builder for training, one for everything else.

Order is a function of the seed and the epoch, augmentation of the seed and the step: nothing depends on
threads or on what ran before.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from tl_keras.config.schema import AugmentConfig, Sampling
from tl_keras.core.types import SINGLE_SHARD
from tl_keras.data.augmentation import augmenter
from tl_keras.data.loaders import ImageLoader, Loader
from tl_keras.data.sampling import BalancedDraws

RowsOfEpoch = Callable[[tf.Tensor], tf.data.Dataset]


def evaluation_batches(
    loader: Loader, batch_size: int, replicas: int = 1, shard: tuple[int, int] = SINGLE_SHARD
) -> tf.data.Dataset:
    """Return batches (rows of `loader`, float32 targets) of all examples in their order.

    With several replicas the last image is repeated until every replica has as many as the others. `shard` is
    as in `training_batches`.
    """
    missing = -len(loader) % replicas
    order = np.append(np.arange(len(loader)), np.full(missing, len(loader) - 1))
    return (
        tf.data.Dataset.from_tensor_slices(order)
        .batch(_shared_equally(batch_size, replicas))
        .map(
            lambda indices: _load(loader, _shard_of(indices, shard)), num_parallel_calls=2, deterministic=True
        )
        .prefetch(2)
    )


def steps_per_epoch(examples: int, batch_size: int, replicas: int = 1) -> int:
    """Return the number of batches that `training_batches` has for one epoch."""
    return math.ceil((examples - examples % replicas) / _shared_equally(batch_size, replicas))


def _shared_equally(batch_size: int, replicas: int) -> int:
    """Return a batch size that all replicas share equally: they wait for each other, and fail otherwise."""
    return math.ceil(batch_size / replicas) * replicas


def training_batches(
    loader: Loader,
    augment: AugmentConfig,
    *,
    batch_size: int,
    epochs: int,
    seed: int,
    sampling: Sampling = "natural",
    class_weights: Sequence[float] | None = None,
    replicas: int = 1,
    shard: tuple[int, int] = SINGLE_SHARD,
    start: int = 0,
) -> tf.data.Dataset:
    """Return shuffled, augmented batches of `epochs` epochs, one after another.

    Elements are (rows of `loader` [n, ...], targets float32 [n, classes]), and with `class_weights` also
    float32 [n] example weights, which follow the targets through MixUp and CutMix. With `balanced` sampling
    an epoch is as long as ever, but draws from all classes alike. The last batch of an epoch may be smaller;
    with several replicas an epoch leaves out the few images, others each time, that cannot be shared equally.
    The first `start` batches are left out, without loading them. Images can be augmented; stored features
    cannot: those have their views. Only `shard` (i, n) of each batch, the i-th of n equal parts, is loaded,
    augmented and returned; n divides `replicas`. MixUp and CutMix mix within a part.
    """
    if not isinstance(loader, ImageLoader):
        augment = AugmentConfig()
    used = len(loader) - len(loader) % replicas
    rows = _balanced(loader, used, seed) if sampling == "balanced" else _natural(loader, used, seed)
    order = tf.data.Dataset.range(epochs).flat_map(
        lambda epoch: rows(epoch).batch(_shared_equally(batch_size, replicas))
    )
    change = augmenter(augment)
    index, shards = shard

    def prepare(step: tf.Tensor, indices: tf.Tensor) -> tuple[tf.Tensor, ...]:
        key = tf.stack([tf.constant(seed, tf.int32), tf.cast(step * shards + index, tf.int32)])
        images, targets = _load(loader, _shard_of(indices, shard), key, augment.random_resized_crop)
        if change is not None:
            images, targets = change(images, targets, key)
        if class_weights is None:
            return images, targets
        return images, targets, tf.linalg.matvec(targets, tf.constant(class_weights, tf.float32))

    # Shuffled before anything is read, so that shuffling costs no memory; decoding overlaps training.
    steps = order.enumerate().skip(start)
    return steps.map(prepare, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True).prefetch(2)


def _shard_of(indices: tf.Tensor, shard: tuple[int, int]) -> tf.Tensor:
    index, shards = shard
    size = tf.size(indices) // shards
    return indices[index * size : (index + 1) * size]


def _natural(loader: Loader, used: int, seed: int) -> RowsOfEpoch:
    """Return what gives an epoch its rows: every example once, each in the view whose turn it is."""
    count = len(loader)

    def rows(epoch: tf.Tensor) -> tf.data.Dataset:
        key = tf.stack([tf.constant(seed, tf.int64), epoch])
        order = tf.random.experimental.index_shuffle(tf.range(count, dtype=tf.int64), key, count - 1)
        return tf.data.Dataset.from_tensor_slices(order + count * ((order + epoch) % loader.views)).take(used)

    return rows


def _balanced(loader: Loader, used: int, seed: int) -> RowsOfEpoch:
    """Return what gives an epoch its rows: as many draws as without, but of all classes alike."""
    draws = BalancedDraws([example.label for example in loader.examples], loader.views, seed)

    def rows(epoch: tf.Tensor) -> tf.data.Dataset:
        drawn = tf.numpy_function(lambda index: draws.epoch(int(index), used), [epoch], tf.int64)
        drawn.set_shape([used])
        return tf.data.Dataset.from_tensor_slices(drawn)

    return rows


def _load(
    loader: Loader, rows: tf.Tensor, key: tf.Tensor | None = None, smallest_crop: float = 0.0
) -> tuple[tf.Tensor, tf.Tensor]:
    element = loader.element
    if smallest_crop > 0:
        assert isinstance(loader, ImageLoader)
        draws = tf.random.stateless_uniform([tf.size(rows), 4], seed=key)
        loaded = tf.numpy_function(
            lambda i, d: loader.crops(i, d, smallest_crop), [rows, draws], tf.uint8, stateful=False
        )
    else:
        loaded = tf.numpy_function(loader.load, [rows], element.dtype, stateful=False)
    targets = tf.numpy_function(loader.targets, [rows], tf.float32, stateful=False)
    loaded.set_shape([None, *element.shape])
    targets.set_shape([None, len(loader.classes)])
    return loaded, targets
