"""Adapting a network to the images before it trains: BatchNorm statistics (AdaBN)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from tl_keras.core.console import progress
from tl_keras.models.batchnorm import adapt_batchnorm
from tl_keras.runs.run import Run

IMAGES_AT_ONCE = 32


def adapt_batchnorm_to(run: Run, classifier: Any) -> int:
    """Take BatchNorm's moving statistics from a run's training images; return how many layers changed."""
    with run.image_loader("train") as train, progress("adapting BatchNorm", len(train), "images") as advance:
        # All classes mixed: a batch is normalized by its own statistics on its way.
        order = np.random.default_rng(run.config.runtime.seed).permutation(len(train))

        def batches() -> Iterator[npt.NDArray[np.uint8]]:
            for indices in np.array_split(order, math.ceil(len(order) / IMAGES_AT_ONCE)):
                images = train.images(indices)
                yield images
                advance(len(images))

        return adapt_batchnorm(classifier, batches())
