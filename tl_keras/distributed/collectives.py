"""Where workers of a training wait for each other: broadcasts, sums and barriers."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from tl_keras.distributed.cluster import Cluster
from tl_keras.errors import DataError, RunError

SIGNS_OF_LOSS = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
)


@dataclass(slots=True)
class ActiveStrategy:
    """The strategy of this process, once there is one, and the cluster that it works in."""

    cluster: Cluster | None = None
    strategy: Any = None
    synchronized: bool = False


active = ActiveStrategy()


def use_workers(cluster: Cluster | None) -> None:
    """Say whether the next training is over workers, or this process's own; it may do one after the other."""
    active.synchronized = cluster is not None


def is_chief() -> bool:
    """Return whether this process writes and speaks: the first worker, or the only process."""
    return not active.synchronized or active.cluster is None or active.cluster.rank == 0


def broadcast(arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return the chief's arrays, to the bit, on every worker; all of them must call it.

    What the others give does not matter: it may be an empty list. Dtypes are those that `numpy.save` knows.
    """
    if not active.synchronized:
        return list(arrays)
    content = io.BytesIO()
    np.savez(content, *(arrays if is_chief() else ()))
    size = int(_sum(np.array([content.tell() if is_chief() else 0], np.int64))[0])
    words = np.zeros(-(-size // 4), np.int32)
    if is_chief():
        words.view(np.uint8)[:size] = np.frombuffer(content.getvalue(), np.uint8)
    received = _sum(words).tobytes()[:size]  # the others add zeros to the chief's integers
    with np.load(io.BytesIO(received), allow_pickle=False) as file:
        return [file[name] for name in file.files]


def digest_of(hashes: Sequence[str]) -> str:
    """Return one hash for many, in their order."""
    return hashlib.sha256("".join(hashes).encode()).hexdigest()


def require_same_images(hashes: Sequence[str]) -> None:
    """Refuse to train on images that are not the chief's: every worker has its part of the same batches.

    Raises:
        DataError: These are not.
    """
    mine = digest_of(hashes)
    count, digest = broadcast([np.array(len(hashes)), np.array(mine)])
    if digest != mine:
        raise DataError(
            f"This worker found other images than the chief: {len(hashes)} to learn from, there {count}.\n"
            "All workers need the same images: look for files that are missing, damaged or newer on one."
        )


def any_of_workers(yes: bool) -> bool:
    """Return whether any worker says yes; all of them must call it. It also waits for the last one."""
    if not active.synchronized:
        return yes
    return bool(_sum(np.array([yes], np.int32))[0])


def _sum(values: np.ndarray) -> np.ndarray:
    return np.asarray(_summed(tf.constant(values)))


@tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
def _summed(values: tf.Tensor) -> tf.Tensor:
    def of_first_replica() -> tf.Tensor:
        replica = tf.distribute.get_replica_context()
        local = active.strategy.extended._get_local_replica_id(replica.replica_id_in_sync_group)
        return replica.all_reduce("SUM", values * tf.cast(local == 0, values.dtype))

    return active.strategy.experimental_local_results(active.strategy.run(of_first_replica))[0]


@contextmanager
def synchronized() -> Iterator[None]:
    """Wait for all workers at the end of the block, and say what to do when one of them is lost.

    Raises:
        RunError: A worker is lost.
    """
    try:
        yield
        any_of_workers(False)
    except SIGNS_OF_LOSS as error:
        if active.cluster is None:
            raise
        raise RunError(
            f"A worker was lost: one of {', '.join(active.cluster.addresses)} ended or cannot be reached; "
            "its own messages may say why.\n"
            "Start all of them again with the same command: they resume from the last checkpoint."
        ) from error
