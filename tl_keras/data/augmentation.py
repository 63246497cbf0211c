"""Random changes to training batches, by Keras's own layers, reproducible from a key alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from tl_keras.config.schema import AugmentConfig

AUGMENTATION = 1
"""Changes whenever the same settings would change an image in another way."""

Batch = tuple[tf.Tensor, tf.Tensor]


class KeyedSeed(keras.random.SeedGenerator):
    """Seeds that follow from a key tensor and the number of the draw, and from nothing else.

    Keras's own generator keeps a counter in a variable. In a parallel `tf.data` map its draws come in
    whatever order the threads do, so two runs with one seed differ. Here the random numbers of a batch
    depend on its key only: on no state, no thread, no earlier batch.
    """

    def __init__(self) -> None:
        self._key: tf.Tensor | None = None
        self._draws = 0

    def use(self, key: tf.Tensor) -> None:
        """Start the draws of one batch; `key` is int32 [2]."""
        self._key, self._draws = key, 0

    def next(self, ordered: bool = True) -> tf.Tensor:  # noqa: ARG002 - Keras's signature
        """Return the seed of the next draw, int32 [2]."""
        self._draws += 1
        return tf.random.experimental.stateless_fold_in(self._key, self._draws)


def augmenter(config: AugmentConfig) -> Callable[[tf.Tensor, tf.Tensor, tf.Tensor], Batch] | None:
    """Return a function (images, targets, key) -> (images, targets), or None when all is off.

    Images are uint8 or float32 [n, H, W, 3] in 0..255 and come back as uint8; targets float32 [n, classes];
    the key is int32 [2]. RandomResizedCrop is not here: it is drawn at decoding, from the full resolution.
    """
    layers = _layers(config)
    if not layers:
        return None
    seeds = KeyedSeed()
    for layer in layers:
        _share_seed(layer, seeds)

    def augment(images: tf.Tensor, targets: tf.Tensor, key: tf.Tensor) -> Batch:
        seeds.use(key)
        batch = {"images": tf.cast(images, tf.float32), "labels": targets}
        for layer in layers:
            batch = layer(batch, training=True)
        pixels = tf.clip_by_value(tf.round(batch["images"]), 0.0, 255.0)
        return tf.cast(pixels, tf.uint8), batch["labels"]

    return augment


def _layers(config: AugmentConfig) -> list[Any]:
    """Build the layers that are switched on: geometry first, then color, then mixing of images."""
    new = keras.layers
    common: dict[str, Any] = {"dtype": "float32"}
    filled = common | {"fill_mode": "reflect"}
    whole_pixels = filled | {"interpolation": "nearest"}  # a shift need not blur
    pixels = common | {"value_range": (0, 255)}
    jitter = config.color_jitter
    table: list[tuple[bool, Callable[[], Any]]] = [
        (config.flip != "none", lambda: new.RandomFlip(config.flip, **common)),
        (config.rotation > 0, lambda: new.RandomRotation(config.rotation / 360, **filled)),
        (config.zoom > 0, lambda: new.RandomZoom(config.zoom, **filled)),
        (
            config.translation > 0,
            lambda: new.RandomTranslation(config.translation, config.translation, **whole_pixels),
        ),
        (
            jitter > 0,
            lambda: new.RandomColorJitter(
                brightness_factor=jitter,
                contrast_factor=jitter,
                saturation_factor=_around_half(jitter),
                hue_factor=jitter / 10,
                **pixels,
            ),
        ),
        (config.rand_augment > 0, lambda: new.RandAugment(factor=config.rand_augment, **pixels)),
        (config.mixup > 0, lambda: new.MixUp(alpha=config.mixup, **common)),
        (config.cutmix > 0, lambda: new.CutMix(factor=config.cutmix, **common)),
    ]
    return [make() for wanted, make in table if wanted]


def _around_half(strength: float) -> tuple[float, float]:
    """Return RandomSaturation's factor range: 0.5 leaves an image as it is, 0 is gray, 1 saturated."""
    return (0.5 - strength / 2, 0.5 + strength / 2)


def _share_seed(layer: Any, seeds: KeyedSeed) -> None:
    for part in layer._flatten_layers():
        if hasattr(part, "generator"):
            part.generator = seeds
