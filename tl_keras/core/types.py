"""Types that several rooms share."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Indices = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
Resize = Literal["squash", "crop", "pad"]
Box = tuple[float, float, float, float]
Task = Literal["multiclass", "multilabel"]

THRESHOLD = 0.5
"""Multi-label: the probability from which a class counts as present."""

SINGLE_SHARD = (0, 1)
"""The shard of each batch that a single process takes: the first of one."""
