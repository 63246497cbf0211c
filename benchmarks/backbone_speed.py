"""Images per second through small backbones on this machine, at small sizes.

    python benchmarks/backbone_speed.py

Random weights, batches of 32, no preprocessing or head; medians of five rounds, with Tiny measured in each.
"""

from __future__ import annotations

import os
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf

from tl_keras.models.backbone import build_base
from tl_keras.models.backbones import find

BATCH, ROUNDS, SECONDS = 32, 5, 1.0
NETWORKS = {
    "Tiny": ("Tiny", {}),
    "MobileNet 0.25": ("MobileNet", {"alpha": 0.25}),
    "MobileNetV2 0.35": ("MobileNetV2", {"alpha": 0.35}),
    "MobileNetV3Small": ("MobileNetV3Small", {}),
    "EfficientNetB0": ("EfficientNetB0", {}),
    "ResNet50": ("ResNet50", {}),
}


def rate(forward: tf.types.experimental.PolymorphicFunction, images: tf.Tensor) -> float:
    """Return images per second over about a second."""
    done, started = 0, time.perf_counter()
    while (passed := time.perf_counter() - started) < SECONDS:
        forward(images)
        done += BATCH
    return done / passed


def main() -> None:
    for size in (32, 64):
        images = tf.random.uniform((BATCH, size, size, 3))
        bases = {
            name: build_base(find(of), options, size, "none") for name, (of, options) in NETWORKS.items()
        }
        forwards = {
            name: tf.function(lambda x, base=base: base(x, training=False)) for name, base in bases.items()
        }
        for forward in forwards.values():
            forward(images)
        rounds = [{name: rate(forward, images) for name, forward in forwards.items()} for _ in range(ROUNDS)]
        for name, base in bases.items():
            speed = statistics.median(found[name] for found in rounds)
            ratio = statistics.median(found["Tiny"] / found[name] for found in rounds)
            weights = base.count_params() / 1e6
            print(
                f"{size} px  {name:18} {weights:5.2f} M weights {speed:7.0f} images/s  Tiny is {ratio:.1f}x"
            )


if __name__ == "__main__":
    main()
