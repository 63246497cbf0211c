"""What Keras 3 lacks for `Model.fit` under `tf.distribute.MultiWorkerMirroredStrategy`.

https://github.com/keras-team/keras/issues/20585: Keras averages scalar metrics over an axis that they do not
have, and builds its model from a batch that it first reduces over workers of whom each has another one. Two
methods of its trainer are replaced. When Keras is fixed, this file goes, and the one call of `patch_trainer`.
"""

from __future__ import annotations

from typing import Any

import keras
from keras.src.backend.tensorflow import trainer


def patch_trainer(strategy: Any) -> None:
    """Let models train under a multi-worker strategy; nothing changes for other strategies."""
    as_it_is = trainer.reduce_per_replica

    def reduce_per_replica(values: Any, used: Any, reduction: str) -> Any:
        """Metrics are scalars: they have no axis 0 to be averaged over."""
        if used is not strategy or reduction not in ("auto", "mean"):
            return as_it_is(values, used, reduction)
        return keras.tree.map_structure(lambda value: strategy.reduce("MEAN", value, axis=None), values)

    def maybe_symbolic_build(self: Any, iterator: Any = None, data_batch: Any = None) -> None:
        """Build from the batch of one replica: only its shape counts, and the mean of all may not exist."""
        if iterator is not None:
            _, _, batches = next(iter(iterator))
            first = strategy.experimental_local_results
            data_batch = keras.tree.map_structure(lambda value: first(value)[0], next(batches))
        with self.distribute_strategy.scope():
            self._symbolic_build(data_batch=data_batch)

    trainer.reduce_per_replica = reduce_per_replica
    trainer.TensorFlowTrainer._maybe_symbolic_build = maybe_symbolic_build
