"""How good a model is on a split of a run, with and without leaked images."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tl_keras.core.types import Floats, Task
from tl_keras.data.loaders import Loader
from tl_keras.evaluation.metrics import decisions, wilson_interval
from tl_keras.evaluation.record import CleanAccuracy


def accuracy_without(
    leaked: npt.NDArray[np.bool_], loader: Loader, outputs: Floats, task: Task
) -> CleanAccuracy | None:
    """Return the accuracy on what is not leaked, where that is some of the images and not all."""
    if not leaked.any() or leaked.all():
        return None
    rows = np.flatnonzero(~leaked)
    right = (decisions(outputs[rows], task) == loader.targets(rows).astype(bool)).all(axis=1)
    return CleanAccuracy(len(rows), float(right.mean()), wilson_interval(int(right.sum()), len(rows)))
