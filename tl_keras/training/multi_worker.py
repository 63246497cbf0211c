"""Training over several processes, usually on several machines, as TF_CONFIG names them.

Every worker does the same work at the same time on its part of each batch; only the chief writes and speaks.
Where a worker is lost or missing, all end with a message; TensorFlow by itself would wait.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.compiler.xla.tsl.protobuf.coordination_config_pb2 import CoordinatedJob
from tensorflow.python.eager import context as tf_context

from tl_keras.console import say
from tl_keras.errors import ConfigError, DataError, RunError
from tl_keras.training.keras_20585 import mend

START_SECONDS = 300
"""Workers that have not appeared after this time will not come."""
HEARTBEAT_SECONDS = 20
"""A worker that has not been heard of for so long is lost."""
TRAINING_JOBS = ("chief", "worker")
EXAMPLE = '{"cluster": {"worker": ["host1:12345", "host2:12345"]}, "task": {"type": "worker", "index": 0}}'
SIGNS_OF_LOSS = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
)


@dataclass(frozen=True, slots=True)
class Cluster:
    """The workers, as TF_CONFIG names them.

    Attributes:
        jobs: Job -> addresses, `host:port`.
        job: This process's job.
        index: Its number in that job.
    """

    jobs: dict[str, list[str]]
    job: str
    index: int

    @property
    def addresses(self) -> list[str]:
        """The addresses of all workers; the chief's is the first."""
        return [address for job in TRAINING_JOBS for address in self.jobs.get(job, [])]

    @property
    def number(self) -> int:
        """Which of `addresses` is this process's."""
        return self.index + (len(self.jobs.get("chief", [])) if self.job == "worker" else 0)

    @property
    def leader(self) -> str:
        """TensorFlow's name of the chief."""
        return f"/job:{'chief' if 'chief' in self.jobs else 'worker'}/replica:0/task:0"


def cluster_of_environment() -> Cluster | None:
    """Return the cluster that TF_CONFIG names, or None where it names no more than one worker.

    Raises:
        ConfigError: It is not as TensorFlow describes it, or this task does not train.
    """
    text = os.environ.get("TF_CONFIG", "").strip()
    if not text:
        return None
    try:
        tree = json.loads(text)
    except ValueError as error:
        raise _wrong(f"it is not JSON ({error})") from None
    if not isinstance(tree, dict) or not isinstance(tree.get("cluster", {}), dict):
        raise _wrong("`cluster` is not a table of jobs and their addresses")
    if not tree.get("cluster"):
        return None
    cluster = Cluster(_jobs(tree["cluster"]), *_task(tree.get("task")))
    there_are = len(cluster.jobs.get(cluster.job, []))
    if cluster.index >= there_are:
        raise _wrong(
            f"task {cluster.job} {cluster.index} is not in its cluster, which has {there_are} of them"
        )
    return cluster if len(cluster.addresses) > 1 else None


def _jobs(found: dict[str, Any]) -> dict[str, list[str]]:
    if others := [job for job in found if job not in (*TRAINING_JOBS, "evaluator")]:
        raise _wrong(f"tlk trains with `worker` and `chief` tasks only, not with {others[0]!r}")
    for job, addresses in found.items():
        if not isinstance(addresses, list) or not all(":" in str(address) for address in addresses):
            raise _wrong(f"expected a list of host:port for {job!r}, found {addresses!r}")
    if len(found.get("chief", [])) > 1:
        raise _wrong("there can be one chief only")
    return {job: [str(address) for address in found[job]] for job in TRAINING_JOBS if job in found}


def _task(found: Any) -> tuple[str, int]:
    if not isinstance(found, dict) or "type" not in found or "index" not in found:
        raise _wrong("`task` does not say type and index of this process")
    if found["type"] not in TRAINING_JOBS:
        raise _wrong(f"expected a `worker` or `chief` task, found {found['type']!r}; do not start tlk there")
    if not str(found["index"]).isdigit():
        raise _wrong(f"the index of the task is a number from 0, found {found['index']!r}")
    return found["type"], int(found["index"])


def _wrong(fault: str) -> ConfigError:
    return ConfigError(f"TF_CONFIG: {fault}.\nExpected, for example: {EXAMPLE}")


@dataclass(slots=True)
class _InUse:
    """The strategy of this process, once there is one, and the cluster that it works in."""

    cluster: Cluster | None = None
    strategy: Any = None
    together: bool = False


_in_use = _InUse()


def use_workers(cluster: Cluster | None) -> None:
    """Say whether the next training is over workers, or this process's own; it may do one after the other."""
    _in_use.together = cluster is not None


def multi_worker_strategy(cluster: Cluster) -> Any:
    """Return the strategy over the workers of a cluster, when all of them are there: one per process.

    TensorFlow must not have computed anything before.

    Raises:
        ConfigError: It has; or the port of this worker is taken.
        RunError: Another worker did not appear.
    """
    if _in_use.strategy is not None:
        return _in_use.strategy
    if cluster.number == 0:
        _wait_for(cluster.addresses[1:])
    _listen_to_each_other(cluster)
    try:
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    except tf.errors.DeadlineExceededError:
        raise RunError(_missing(cluster.addresses[:1])) from None
    except tf.errors.UnknownError as error:
        raise ConfigError(
            f"Cannot listen at {cluster.addresses[cluster.number]}, this worker's address in TF_CONFIG: "
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
    _in_use.cluster, _in_use.strategy = cluster, strategy
    mend(strategy)
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


def is_chief() -> bool:
    """Return whether this process writes and speaks: the first worker, or the only process."""
    return not _in_use.together or _in_use.cluster is None or _in_use.cluster.number == 0


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


def from_chief(arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return the chief's arrays, to the bit, on every worker; all of them must call it.

    What the others give does not matter: it may be an empty list. Dtypes are those that `numpy.save` knows.
    """
    if not _in_use.together:
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
    count, digest = from_chief([np.array(len(hashes)), np.array(mine)])
    if digest != mine:
        raise DataError(
            f"This worker found other images than the chief: {len(hashes)} to learn from, there {count}.\n"
            "All workers need the same images: look for files that are missing, damaged or newer on one."
        )


def any_worker(yes: bool) -> bool:
    """Return whether any worker says yes; all of them must call it. It also waits for the last one."""
    if not _in_use.together:
        return yes
    return bool(_sum(np.array([yes], np.int32))[0])


def _sum(values: np.ndarray) -> np.ndarray:
    return np.asarray(_summed(tf.constant(values)))


@tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
def _summed(values: tf.Tensor) -> tf.Tensor:
    def of_first_replica() -> tf.Tensor:
        replica = tf.distribute.get_replica_context()
        local = _in_use.strategy.extended._get_local_replica_id(replica.replica_id_in_sync_group)
        return replica.all_reduce("SUM", values * tf.cast(local == 0, values.dtype))

    return _in_use.strategy.experimental_local_results(_in_use.strategy.run(of_first_replica))[0]


@contextmanager
def together() -> Iterator[None]:
    """Wait for all workers at the end of the block, and say what to do when one of them is lost.

    Raises:
        RunError: A worker is lost.
    """
    try:
        yield
        any_worker(False)
    except SIGNS_OF_LOSS as error:
        if _in_use.cluster is None:
            raise
        raise RunError(
            f"A worker was lost: one of {', '.join(_in_use.cluster.addresses)} ended or cannot be reached; "
            "its own messages may say why.\n"
            "Start all of them again with the same command: they go on from the last checkpoint."
        ) from error
