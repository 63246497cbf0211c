"""How many wrong labels `suspicious_labels` finds, and how many right ones it accuses.

    KERAS_HOME=... python benchmarks/label_check.py --sign-digits DIR [--ants-bees DIR] [--cifar10 DIR]

Features of MobileNetV2 (alpha 0.35, ImageNet weights, 224 pixels), for CIFAR-10 of Tiny on its test images:
it was trained on the others. A share of the labels is replaced by a random other class; precision, recall and
average precision per seed, and the mean. With a share of 0 only the number of accused images says something.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from sklearn.metrics import average_precision_score

from tl_keras.config.loading import load_config
from tl_keras.config.schema import Config
from tl_keras.core.geometry import Geometry
from tl_keras.data.example import Example
from tl_keras.features.cached_backbone import cached_trunk
from tl_keras.inspection.labels import suspicious_labels
from tl_keras.models.classifier import build_trunk

SHARES, SEEDS = (0.0, 0.05, 0.2), range(5)
IMAGES = {".jpg", ".jpeg", ".png"}
MOBILE = {"model.backbone": "MobileNetV2", "model.options": {"alpha": 0.35}}
SETTINGS = {
    "sign_digits": (MOBILE, 224),
    "ants_bees": (MOBILE, 224),
    "cifar10": ({"model.backbone": "Tiny"}, 32),
}


def features(folder: Path, config: Config, size: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return float32 [n, D], class numbers and hashes of all images, whose folders are their classes."""
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in IMAGES)
    frozen = cached_trunk(build_trunk(config.model, size), config, Geometry(size, size))
    checked = frozen.check_and_compute([Example(str(file), file.parent.name) for file in files])
    examples = [example for example in checked if example.is_used]
    hashes = [example.sha256 for example in examples]
    labels = np.unique([example.label for example in examples], return_inverse=True)[1]
    return frozen.stored.read(frozen.stored.locate(hashes)), labels, hashes


def flipped(labels: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Return the labels, a share of which is replaced by another class."""
    rng, classes = np.random.default_rng(seed), labels.max() + 1
    rows = rng.permutation(len(labels))[: round(share * len(labels))]
    given = labels.copy()
    given[rows] = (labels[rows] + rng.integers(1, classes, len(rows))) % classes
    return given


def measure(found: np.ndarray, truth: np.ndarray, hashes: list[str], share: float, seed: int) -> list[float]:
    """Return precision, recall, average precision, the number of accused images, and seconds."""
    given = flipped(truth, share, seed)
    wrong = given != truth
    started = time.perf_counter()
    suspicions, scores = suspicious_labels(found, given, seed, hashes)
    seconds = time.perf_counter() - started
    hits = sum(wrong[one.index] for one in suspicions)
    average = average_precision_score(wrong, scores) if wrong.any() else 0.0
    return [hits / max(len(suspicions), 1), hits / max(wrong.sum(), 1), average, len(suspicions), seconds]


def tell(name: str, values: list[float]) -> None:
    precision, recall, average, count, seconds = values
    print(
        f"{name}: precision {precision:.3f}  recall {recall:.3f}  average precision {average:.3f}"
        f"  accused {count:.0f}  ({seconds:.1f} s)",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    for name in SETTINGS:
        parser.add_argument(f"--{name.replace('_', '-')}", type=Path)
    for name, folder in vars(parser.parse_args()).items():
        if folder is None:
            continue
        overrides, size = SETTINGS[name]
        folder = folder / "test" if name == "cifar10" else folder
        found, truth, hashes = features(folder, load_config(overrides=overrides), size)
        print(f"{name}: {len(truth)} images")
        for share in SHARES:
            runs = [measure(found, truth, hashes, share, seed) for seed in (SEEDS if share else SEEDS[:1])]
            for seed, values in enumerate(runs):
                tell(f"  {share:.0%} wrong, seed {seed}", values)
            tell(f"  {share:.0%} wrong, mean  ", list(np.mean(runs, axis=0)))


if __name__ == "__main__":
    main()
