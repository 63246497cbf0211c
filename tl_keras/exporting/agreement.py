"""Whether an exported model answers as the trained one does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tl_keras.model_info import THRESHOLD, Task

Floats = npt.NDArray[np.float32]


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
