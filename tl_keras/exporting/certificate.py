"""Whether an exported model answers as the trained one does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tl_keras.core.console import progress
from tl_keras.core.types import THRESHOLD, Floats, Task
from tl_keras.data.loaders import ImageLoader
from tl_keras.exporting.tflite import Quantize
from tl_keras.inference.predictor import Predictor

CHECKED_IMAGES = 500
BATCH_SIZE = 32
MIN_AGREEMENT: Mapping[Quantize, float] = {"none": 1.0, "float16": 0.99, "dynamic": 0.97, "int8": 0.97}
"""The share of same answers to expect of a file, by the quantization of its weights."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How two models' answers to the same images compare.

    Attributes:
        n: Number of images.
        same_top1: Share of images with the same most probable class, 0 to 1; for multi-label, of
            images with the same set of classes at 0.5 or more.
        max_difference: The largest difference of any probability, 0 to 1.
    """

    n: int
    same_top1: float
    max_difference: float


def agreement(reference: Floats, exported: Floats, task: Task = "multiclass") -> Agreement:
    """Compare probabilities, float32 [n, classes] with n > 0, of the same images in the same order.

    A NaN on either side counts as a different answer and makes the difference NaN.

    Raises:
        ValueError: The shapes differ or there are no images.
    """
    if reference.shape != exported.shape or not len(reference):
        raise ValueError(
            f"Expected two arrays [n, classes] of one shape, found {reference.shape} and {exported.shape}."
        )
    valid = np.isfinite(reference).all(1) & np.isfinite(exported).all(1)
    if task == "multilabel":
        same = ((reference >= THRESHOLD) == (exported >= THRESHOLD)).all(1)
    else:
        same = reference.argmax(1) == exported.argmax(1)
    return Agreement(len(reference), float((same & valid).mean()), float(np.abs(reference - exported).max()))


def agrees_enough(found: Agreement, quantize: Quantize) -> bool:
    """Return whether a file of that quantization answers as the model does, as far as can be expected."""
    return found.same_top1 >= MIN_AGREEMENT[quantize]


def sample_indices(size: int, at_most: int, seed: int) -> npt.NDArray[np.int64]:
    """Return random different indices: examples lie class by class, so the first ones would not do."""
    return np.random.default_rng(seed).permutation(size)[:at_most]


def compare(classifier: Any, exported: Predictor, val: ImageLoader, task: Task, seed: int) -> Agreement:
    """Compare the answers to at most `CHECKED_IMAGES` images of val, chosen by `seed`."""
    chosen = sample_indices(len(val), CHECKED_IMAGES, seed)
    ours, theirs = [], []
    with progress("comparing", len(chosen)) as advance:
        for start in range(0, len(chosen), BATCH_SIZE):
            images = val.images(chosen[start : start + BATCH_SIZE])
            ours.append(np.asarray(classifier(images, training=False)))
            theirs.append(exported(images))
            advance(len(images))
    return agreement(np.concatenate(ours), np.concatenate(theirs), task)
