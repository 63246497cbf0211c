"""Changed copies of images, each a function of the image's content, the seed and the copy's number."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import tensorflow as tf

from tl_keras.config.schema import AugmentConfig
from tl_keras.core.geometry import Geometry
from tl_keras.core.types import Pixels
from tl_keras.data.augmentation import AUGMENTATION, augmenter
from tl_keras.data.example import Example
from tl_keras.data.images.decode import broken_since, decode, upright_size
from tl_keras.data.images.read import read_image
from tl_keras.data.loaders import random_box


class View:
    """One of the changed copies of every image.

    Args:
        augment: What is changed.
        seed: Another seed is another change.
        number: Which of the copies, from 1.

    Attributes:
        about: All that its pixels depend on besides the image, as plain values.
    """

    def __init__(self, augment: AugmentConfig, seed: int, number: int) -> None:
        self._augment = augment
        self._seed = f"{seed}:{number}"
        self.about = about_view(augment, seed, number)
        self._change = _compiled(augment)

    def pixels(self, example: Example, geometry: Geometry) -> Pixels:
        """Return the changed image, uint8 [H, W, 3].

        Raises:
            DataError: It could be read when it was checked, and cannot any more.
        """
        key = hashlib.sha256(f"{self._seed}:{example.sha256}".encode()).digest()
        found = read_image(example.path, lambda data: self._cropped(data, geometry, key))
        pixels = found.decoded
        if pixels is None or found.sha256 != example.sha256:
            raise broken_since(example.path, str(found.fault or "its content has changed"))
        return pixels if self._change is None else self._change(pixels, np.frombuffer(key[:8], np.int32))

    def _cropped(self, data: bytes, geometry: Geometry, key: bytes) -> Pixels:
        smallest = self._augment.random_resized_crop
        if smallest == 0:
            return decode(data, geometry)
        draws = np.random.default_rng(list(key)).random(4, np.float32)
        return decode(data, geometry, random_box(*upright_size(data), smallest, draws))


def about_view(augment: AugmentConfig, seed: int, number: int) -> dict[str, Any]:
    """Return what the pixels of a view depend on besides the image."""
    changes = augment.model_dump(mode="json", exclude={"views"})
    return {**changes, "version": AUGMENTATION, "seed": seed, "view": number}


def _compiled(augment: AugmentConfig) -> Any:
    """Return a function of (uint8 [H, W, 3], int32 [2]) that changes one image, or None if nothing is on."""
    change = augmenter(augment)
    if change is None:
        return None

    @tf.function  # type: ignore[untyped-decorator]
    def one(images: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
        return change(images, tf.zeros([1, 1]), key)[0]

    def changed(pixels: Pixels, key: Any) -> Pixels:
        with tf.device("CPU"):  # one small image at a time, and the same random numbers on every machine
            return np.asarray(one(tf.constant(pixels[None]), tf.constant(key)))[0]

    return changed
