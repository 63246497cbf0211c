"""Which devices train, in which precision."""

from __future__ import annotations

import math
import os
from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import Any

import keras
import tensorflow as tf

from tl_keras.config.schema import PhaseConfig, RuntimeConfig
from tl_keras.core.console import mute_worker
from tl_keras.core.types import SINGLE_SHARD
from tl_keras.distributed.cluster import EXAMPLE, Cluster, cluster_of_environment
from tl_keras.distributed.collectives import is_chief, use_workers
from tl_keras.distributed.strategy import multi_worker_strategy, over_local_replicas
from tl_keras.errors import ConfigError


@dataclass(frozen=True, slots=True)
class DevicePlan:
    """What a run trains on.

    Attributes:
        strategy: The `tf.distribute` strategy; models are built inside its scope.
        replicas: Copies of the model that share each batch.
        shard: Which part of each batch this process takes, of how many: see `training_batches`.
        precision: Keras dtype policy.
        jit_compile: Keras's setting; XLA only on a single GPU.
        description: One line for people.
    """

    strategy: Any
    replicas: int
    shard: tuple[int, int]
    precision: str
    jit_compile: str | bool
    description: str

    def distributed(self, batches: tf.data.Dataset) -> Any:
        """Return this process's part of each batch as `Model.fit` and `Model.evaluate` take it."""
        return batches if self.shard == SINGLE_SHARD else over_local_replicas(batches, self.strategy)

    def describe_batch(self, images_per_step: int, accumulate: int = 1) -> str:
        """Return how a batch is shared, e.g. `batch 32 = 2 workers x 16`."""
        share = math.ceil(images_per_step / self.replicas)
        images, workers = share * self.replicas, self.shard[1]
        shared = [f"{workers} workers"] if workers > 1 else []
        if self.replicas > workers:
            shared.append(f"{self.replicas // workers} replicas")
        text = (
            " x ".join([f"batch {images} = {shared[0]}", *shared[1:], str(share)])
            if shared
            else f"batch {images}"
        )
        return f"{text}, {accumulate} batches per update" if accumulate > 1 else text

    def describe_phase(self, phase: PhaseConfig) -> str:
        """Return how a batch is shared, and how its size changes the learning rate."""
        text = self.describe_batch(phase.images_per_step, phase.accumulate)
        if phase.learning_rate_batch is None:
            return text
        images = phase.images_per_step * phase.accumulate
        rate = phase.effective_rate(images)
        return (
            f"{text}; learning rate {phase.learning_rate:g} is for {phase.learning_rate_batch} images, "
            f"so it is {rate:g} for {images}"
        )


def plan_devices(runtime: RuntimeConfig) -> DevicePlan:
    """Choose strategy and precision for this machine, and make the precision Keras's default.

    Over several workers TensorFlow must not have computed anything before, and all but the chief are mute
    until the next call.

    Raises:
        ConfigError: `runtime.strategy` is multi_worker, and TF_CONFIG does not name workers.
        RunError: One of them does not appear.
    """
    cluster = workers_of(runtime)
    use_workers(cluster)
    strategy = multi_worker_strategy(cluster) if cluster else _local_strategy(runtime)
    mute_worker(not is_chief())
    replicas = strategy.num_replicas_in_sync
    gpus = tf.config.list_logical_devices("GPU")
    precision = _precision(runtime, bool(gpus), replicas)
    keras.config.set_dtype_policy(precision)
    shard = (cluster.rank, len(cluster.addresses)) if cluster else SINGLE_SHARD
    return DevicePlan(
        strategy=strategy,
        replicas=replicas,
        shard=shard,
        precision=precision,
        # XLA is several times slower for depthwise convolutions on CPU, and with several GPUs it can hang
        # (keras issue 20763).
        jit_compile="auto" if gpus and replicas == 1 else False,
        description=", ".join([_machine(), precision, *_shares(replicas, shard[1])]),
    )


def workers_of(runtime: RuntimeConfig) -> Cluster | None:
    """Return the workers to train over; None for this process alone.

    Raises:
        ConfigError: TF_CONFIG is wrong, or missing where it is needed.
    """
    if runtime.strategy not in ("auto", "multi_worker"):
        return None
    if runtime.strategy == "multi_worker" and not os.environ.get("TF_CONFIG"):
        raise ConfigError(
            "runtime.strategy: multi_worker needs the environment variable TF_CONFIG, and it is not set.\n"
            f"On every machine it names all workers, and which of them this is: {EXAMPLE}"
        )
    return cluster_of_environment()


def require_one_process(runtime: RuntimeConfig, what: str) -> None:
    """Refuse what several workers cannot do together.

    Raises:
        ConfigError: There are several, or TF_CONFIG is wrong.
    """
    if workers_of(runtime):
        raise ConfigError(f"{what} is for a single process: unset TF_CONFIG, or use --strategy none.")


def _local_strategy(runtime: RuntimeConfig) -> Any:
    gpus = tf.config.list_logical_devices("GPU")
    if runtime.strategy != "mirrored" and (runtime.strategy == "none" or len(gpus) < 2):
        return tf.distribute.get_strategy()
    devices = gpus or tf.config.list_logical_devices("CPU")
    return _mirrored(tuple(device.name for device in devices))


@cache
def _mirrored(devices: tuple[str, ...]) -> Any:
    """Return one strategy per process: the collective operations of two of them would be mixed up."""
    return tf.distribute.MirroredStrategy(devices)


def _machine() -> str:
    """Return the GPUs, or else the processor, e.g. `2 x NVIDIA H200` or `CPU with 8 cores and 31 GiB`."""
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
        return f"CPU with {os.cpu_count()} cores and {memory:.0f} GiB"
    names = Counter(tf.config.experimental.get_device_details(gpu).get("device_name", "GPU") for gpu in gpus)
    return ", ".join(f"{count} x {name}" for name, count in names.items())


def _shares(replicas: int, workers: int) -> list[str]:
    """Return what shares the batches, e.g. `2 workers`, or nothing."""
    if workers > 1:
        return [f"{workers} workers"] + ([f"{replicas} replicas"] if replicas > workers else [])
    return [f"{replicas} replicas (mirrored)"] if replicas > 1 else []


def _precision(runtime: RuntimeConfig, on_gpu: bool, replicas: int) -> str:
    if runtime.precision == "mixed_float16" and replicas > 1:
        # Keras's loss scaling looks for overflow in one replica only, and with several workers it hangs.
        raise ConfigError(
            f"runtime.precision: mixed_float16 is for a single device, and here are {replicas}: "
            "use mixed_bfloat16 or float32."
        )
    if runtime.precision != "auto":
        return runtime.precision
    if not on_gpu:
        return "float32"
    details = tf.config.experimental.get_device_details(tf.config.list_physical_devices("GPU")[0])
    capability = details.get("compute_capability", (0, 0))
    # Tensor cores: float16 since Volta (7.0), bfloat16, which needs no loss scaling, since Ampere (8.0).
    if capability >= (8, 0):
        return "mixed_bfloat16"
    return "mixed_float16" if capability >= (7, 0) and replicas == 1 else "float32"
