"""Training over several processes, usually on several machines, as TF_CONFIG names them.

Every worker does the same work at the same time on its part of each batch; only the chief writes and speaks.
Where a worker is lost or missing, all end with a message; TensorFlow by itself would wait.
"""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from tensorflow.compiler.xla.tsl.protobuf.coordination_config_pb2 import CoordinatedJob
from tensorflow.python.eager import context as tf_context

from tl_keras.core.console import say
from tl_keras.distributed.cluster import Cluster
from tl_keras.distributed.collectives import active
from tl_keras.distributed.keras_20585 import patch_trainer
from tl_keras.errors import ConfigError, RunError

START_SECONDS = 300
"""Workers that have not appeared after this time will not come."""

HEARTBEAT_SECONDS = 20
"""A worker that has not been heard of for so long is lost."""


def multi_worker_strategy(cluster: Cluster) -> Any:
    """Return the strategy over the workers of a cluster, when all of them are there: one per process.

    TensorFlow must not have computed anything before.

    Raises:
        ConfigError: It has; or the port of this worker is taken.
        RunError: Another worker did not appear.
    """
    if active.strategy is not None:
        return active.strategy
    if cluster.rank == 0:
        _wait_for(cluster.addresses[1:])
    _listen_to_each_other(cluster)
    try:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    except tf.errors.DeadlineExceededError:
        raise RunError(_missing(cluster.addresses[:1])) from None
    except tf.errors.UnknownError as error:
        raise ConfigError(
            f"Cannot listen at {cluster.addresses[cluster.rank]}, this worker's address in TF_CONFIG: "
            f"{error.message}. Is another process using that port?"
        ) from None
    except RuntimeError as error:
        raise ConfigError(
            f"TensorFlow was in use before the workers were connected ({error}).\n"
            "Call tl_keras before anything else of TensorFlow."
        ) from None
    # All workers have as many batches: no need to agree on that in every step.
    strategy.extended.experimental_enable_get_next_as_optional = False
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM))  # TensorFlow has taken it
    active.cluster, active.strategy = cluster, strategy
    patch_trainer(strategy)
    return strategy


def _wait_for(addresses: Sequence[str]) -> None:
    """Wait until the other workers listen; TensorFlow's own wait for them never ends at the chief.

    Raises:
        RunError: They do not.
    """
    end = time.monotonic() + START_SECONDS
    missing = [address for address in addresses if not _listens(address)]
    if missing:
        say(f"waiting for {len(missing)} of {len(addresses) + 1} workers: {', '.join(missing)}")
    while missing:
        if time.monotonic() >= end:
            raise RunError(_missing(missing))
        time.sleep(0.5)
        missing = [address for address in missing if not _listens(address)]


def _listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=1).close()
    except (OSError, ValueError):
        return False
    return True


def _missing(addresses: Sequence[str]) -> str:
    return (
        f"No worker appeared at {', '.join(addresses)} within {START_SECONDS:g} s.\n"
        "Start the same command on every machine of TF_CONFIG, and let them reach each other's ports."
    )


def _listen_to_each_other(cluster: Cluster) -> None:
    """Let TensorFlow notice soon when a worker is lost; it has no public way to say how soon."""
    tf_context.context().configure_coordination_service(
        service_type="standalone",
        service_leader=cluster.leader,
        cluster_register_timeout_in_ms=int(START_SECONDS * 1000),
        heartbeat_timeout_in_ms=int(HEARTBEAT_SECONDS * 1000),
        shutdown_barrier_timeout_in_ms=int(HEARTBEAT_SECONDS * 1000),
        coordinated_jobs=[CoordinatedJob(name=job, num_tasks=len(at)) for job, at in cluster.jobs.items()],
    )


def over_local_replicas(batches: tf.data.Dataset, strategy: Any) -> Any:
    """Return a worker's part of each batch as what `Model.fit` distributes over the worker's own replicas."""
    split = split_batches(batches, len(strategy.extended.worker_devices))
    return strategy.distribute_datasets_from_function(lambda _: split)


def split_batches(batches: tf.data.Dataset, parts: int) -> tf.data.Dataset:
    """Return a dataset with `parts` equal batches for each batch of `batches`, in their order."""
    if parts == 1:
        return batches

    def split(*batch: tf.Tensor) -> tf.data.Dataset:
        pieces = [tf.reshape(v, tf.concat([[parts, -1], tf.shape(v)[1:]], 0)) for v in batch]
        pieces = [tf.ensure_shape(p, [parts, None, *v.shape[1:]]) for p, v in zip(pieces, batch, strict=True)]
        return tf.data.Dataset.from_tensor_slices(tuple(pieces))

    return batches.flat_map(split)
