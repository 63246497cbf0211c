"""Images of a split as arrays and targets, decoded when they are needed."""

from __future__ import annotations

import math
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from tl_keras.core.geometry import Geometry
from tl_keras.core.types import Box, Indices, Task
from tl_keras.data.example import Example
from tl_keras.data.images.decode import (
    broken_since,
    decode,
    read_bytes,
    upright_size,
)
from tl_keras.errors import BadImage, DataError

CROP_ASPECTS = (3 / 4, 4 / 3)


@cache
def _threads() -> ThreadPoolExecutor:
    """Return the threads that decode, one per core, for all loaders of the process."""
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="decode")


class Loader(ABC):
    """Labeled examples, and what a model gets to see of them.

    An example may be seen in several views, each a row of its own: row `view * len(self) + index`.

    Attributes:
        examples: The labeled images.
        classes: Class names; their order is the order of the targets.
        views: How many views there are of each; training takes them in turns, one per epoch.
        failure: What went wrong while loading: TensorFlow turns exceptions of its callbacks into its own.
    """

    views = 1

    def __init__(self, examples: Sequence[Example], classes: Sequence[str], task: Task) -> None:
        self.examples = examples
        self.classes = tuple(classes)
        self.failure: DataError | None = None
        self._targets = _targets(examples, classes, task)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:  # noqa: B027 - not every loader holds much
        """Give memory back: TensorFlow keeps its callbacks, and so the loader, for the whole process."""

    def __len__(self) -> int:
        return len(self.examples)

    @property
    @abstractmethod
    def element(self) -> tf.TensorSpec:
        """Shape and dtype of one row."""

    @abstractmethod
    def load(self, rows: Indices) -> npt.NDArray[Any]:
        """Return [n, *element.shape] for int64 [n] rows."""

    def targets(self, rows: Indices) -> npt.NDArray[np.float32]:
        """Return float32 [n, classes] for int64 [n] rows: one-hot, or multi-hot for the multi-label task."""
        found = self._targets[rows % len(self)]
        if found.ndim == 2:
            return found.astype(np.float32)
        return np.eye(len(self.classes), dtype=np.float32)[found]


class ImageLoader(Loader):
    """Loads images, as uint8 arrays; keeps decoded ones in memory when they fit.

    Args:
        examples: The images to load.
        classes: Class names; their order is the order of the targets.
        geometry: The model's input size.
        task: `multiclass` or `multilabel`.
        cache_mb: Decoded images are kept when all of them need no more than this, MiB.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        classes: Sequence[str],
        geometry: Geometry,
        *,
        task: Task,
        cache_mb: int,
    ) -> None:
        super().__init__(examples, classes, task)
        self.geometry = geometry
        self._shape = (len(examples), geometry.height, geometry.width, 3)
        self._cached = math.prod(self._shape) <= cache_mb * 2**20
        self._pixels = np.zeros(self._shape if self._cached else (0,), np.uint8)
        self._filled = np.zeros(len(examples), bool)

    def __exit__(self, *_: object) -> None:
        self._cached, self._pixels = False, np.zeros(0, np.uint8)

    @property
    def element(self) -> tf.TensorSpec:
        return tf.TensorSpec(self._shape[1:], tf.uint8)

    def load(self, rows: Indices) -> npt.NDArray[np.uint8]:
        return self.images(rows)

    def images(self, indices: Indices) -> npt.NDArray[np.uint8]:
        """Return uint8 [n, H, W, 3] for int64 [n] indices."""
        if not self._cached:
            return np.stack(list(_threads().map(self._decode, indices)))
        missing = indices[~self._filled[indices]]
        for index, pixels in zip(missing, _threads().map(self._decode, missing), strict=True):
            self._pixels[index] = pixels
            self._filled[index] = True
        return self._pixels[indices]

    def crops(
        self, indices: Indices, draws: npt.NDArray[np.float32], smallest: float
    ) -> npt.NDArray[np.uint8]:
        """Return random resized crops, uint8 [n, H, W, 3].

        Args:
            indices: int64 [n].
            draws: float32 [n, 4] uniform in [0, 1): area, aspect ratio, left, top.
            smallest: Least share of the image's area that is kept.
        """
        return np.stack(list(_threads().map(lambda i, d: self._crop(i, d, smallest), indices, draws)))

    def _decode(self, index: int) -> npt.NDArray[np.uint8]:
        with self._remembering_failure(index):
            return decode(self.examples[index].path, self.geometry)

    def _crop(self, index: int, draws: npt.NDArray[np.float32], smallest: float) -> npt.NDArray[np.uint8]:
        with self._remembering_failure(index):
            data = read_bytes(self.examples[index].path)
            return decode(data, self.geometry, random_box(*upright_size(data), smallest, draws))

    @contextmanager
    def _remembering_failure(self, index: int) -> Iterator[None]:
        """Keep our exception for the caller: TensorFlow turns those of its callbacks into its own."""
        try:
            yield
        except BadImage as error:
            self.failure = broken_since(self.examples[index].path, str(error))
            raise self.failure from error


def random_box(width: int, height: int, smallest: float, draws: npt.NDArray[np.float32]) -> Box:
    """Return a random part of an image: an area share in [smallest, 1], an aspect ratio in 3:4..4:3.

    Method: Szegedy et al. 2015, "Going deeper with convolutions" (inception-style cropping).
    """
    area, aspect, left, top = (float(draw) for draw in draws)
    share = smallest + area * (1 - smallest)
    low, high = np.log(CROP_ASPECTS)
    ratio = float(np.exp(low + aspect * (high - low)))
    crop_width = min(width, (width * height * share * ratio) ** 0.5)
    crop_height = min(height, (width * height * share / ratio) ** 0.5)
    x, y = left * (width - crop_width), top * (height - crop_height)
    return (x, y, x + crop_width, y + crop_height)


def _targets(examples: Sequence[Example], classes: Sequence[str], task: Task) -> npt.NDArray[np.int64]:
    """Return class numbers [n], or for the multi-label task a 0/1 matrix [n, classes]."""
    number = {name: index for index, name in enumerate(classes)}
    if task == "multiclass":
        return np.array([number[example.label] for example in examples], np.int64)
    rows = np.zeros((len(examples), len(classes)), np.int64)
    for row, example in zip(rows, examples, strict=True):
        row[[number[name] for name in example.labels]] = 1
    return rows
