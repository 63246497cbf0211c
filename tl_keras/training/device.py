"""Which devices train, in which precision."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from typing import Any

import keras
import tensorflow as tf

from tl_keras.config import RuntimeConfig


@dataclass(frozen=True, slots=True)
class DevicePlan:
    """What a run trains on.

    Attributes:
        strategy: The `tf.distribute` strategy; models are built inside its scope.
        replicas: Copies of the model that share each batch.
        precision: Keras dtype policy.
        jit_compile: Keras's setting; XLA only on a single GPU.
        description: One line for people.
    """

    strategy: Any
    replicas: int
    precision: str
    jit_compile: str | bool
    description: str


def plan_devices(runtime: RuntimeConfig) -> DevicePlan:
    """Choose strategy and precision for this machine, and make the precision Keras's default."""
    gpus = tf.config.list_logical_devices("GPU")
    strategy = _strategy(runtime, gpus)
    replicas = strategy.num_replicas_in_sync
    precision = _precision(runtime, bool(gpus))
    keras.config.set_dtype_policy(precision)
    where = f"{len(gpus)} GPU" if gpus else f"CPU, {os.cpu_count()} cores"
    copies = f", {replicas} replicas" if replicas > 1 else ""
    return DevicePlan(
        strategy=strategy,
        replicas=replicas,
        precision=precision,
        # XLA is several times slower for depthwise convolutions on CPU, and with several GPUs it can hang
        # (keras issue 20763).
        jit_compile="auto" if gpus and replicas == 1 else False,
        description=f"{where}{copies}",
    )


def _strategy(runtime: RuntimeConfig, gpus: list[Any]) -> Any:
    mirrored = runtime.strategy == "mirrored" or (runtime.strategy == "auto" and len(gpus) > 1)
    if not mirrored:
        return tf.distribute.get_strategy()
    devices = gpus or tf.config.list_logical_devices("CPU")
    return _mirrored(tuple(device.name for device in devices))


@cache
def _mirrored(devices: tuple[str, ...]) -> Any:
    """Return one strategy per process: the collective operations of two of them would be mixed up."""
    return tf.distribute.MirroredStrategy(devices)


def _precision(runtime: RuntimeConfig, on_gpu: bool) -> str:
    if runtime.precision != "auto":
        return runtime.precision
    if not on_gpu:
        return "float32"
    details = tf.config.experimental.get_device_details(tf.config.list_physical_devices("GPU")[0])
    capability = details.get("compute_capability", (0, 0))
    # Tensor cores: float16 since Volta (7.0), bfloat16, which needs no loss scaling, since Ampere (8.0).
    if capability >= (8, 0):
        return "mixed_bfloat16"
    return "mixed_float16" if capability >= (7, 0) else "float32"
