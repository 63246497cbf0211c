"""Stored features as what a model trains on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from tl_keras.core.types import Indices, Task
from tl_keras.data.example import Example
from tl_keras.data.loaders import Loader
from tl_keras.features.chunk import Rows
from tl_keras.features.store import Store


class FeatureLoader(Loader):
    """Loads the stored rows of examples, straight from the mapped files.

    Args:
        examples: Images whose rows are in all stores.
        classes: Class names; their order is the order of the targets.
        task: `multiclass` or `multilabel`.
        stores: One per view.
    """

    def __init__(
        self, examples: Sequence[Example], classes: Sequence[str], task: Task, stores: Sequence[Store]
    ) -> None:
        super().__init__(examples, classes, task)
        self.views = len(stores)
        self._stores = stores
        hashes = [example.sha256 for example in examples]
        self._places = np.stack([store.locate(hashes) for store in stores])

    @property
    def element(self) -> tf.TensorSpec:
        return tf.TensorSpec(self._stores[0].shape, self._stores[0].dtype)

    def load(self, rows: Indices) -> Rows:
        views, indices = np.divmod(rows, len(self))
        first = self._stores[0]
        loaded = np.empty((len(rows), *first.shape), first.dtype)
        for view in np.unique(views):
            here = views == view
            loaded[here] = self._stores[view].read(self._places[view, indices[here]])
        return loaded
