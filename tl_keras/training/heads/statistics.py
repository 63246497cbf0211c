"""Mean and deviation of features, as they are read."""

from __future__ import annotations

import numpy as np

from tl_keras.data.loaders import Loader
from tl_keras.training.heads.bank import Floats

ROWS_AT_ONCE = 4096
LEAST_DEVIATION = 0.01


def column_statistics(features: Loader) -> tuple[Floats, Floats]:
    """Return mean and deviation, float32 [D], of each column of the features as they are (the first view).

    No deviation is less than a hundredth of their median: a column that hardly ever varies would get weights
    that one unusual image turns into a verdict. Where that is 0 it is 1.
    """
    count = len(features)
    total = squares = np.zeros(features.element.shape, np.float64)
    for start in range(0, count, ROWS_AT_ONCE):
        rows = features.load(np.arange(start, min(start + ROWS_AT_ONCE, count))).astype(np.float64)
        total = total + rows.sum(axis=0)
        squares = squares + (rows**2).sum(axis=0)
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - mean**2, 0))
    deviation = np.maximum(deviation, LEAST_DEVIATION * np.median(deviation))
    return mean.astype(np.float32), np.where(deviation > 0, deviation, 1).astype(np.float32)
