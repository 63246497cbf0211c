"""How many stored views of each image are worth having: test accuracy by their number.

    KERAS_HOME=... python benchmarks/views.py DATA [DATA ...]

MobileNetV2 (alpha 0.35, ImageNet weights, 224 pixels); mirror images, rotations up to 15 degrees, crops of
at least half of the image; the head is chosen anew each time. Two seeds; of more than 5,000 images a tenth
per class is used.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from tl_keras import fit, load_config

SEEDS = (0, 1)
VIEWS = (0, 1, 2, 4, 8)
MANY = 5_000
NETWORK = {"model.backbone": "MobileNetV2", "model.options": {"alpha": 0.35}}
AUGMENT = {"augment.flip": "horizontal", "augment.rotation": 15, "augment.random_resized_crop": 0.5}


def accuracy(data: Path, views: int, seed: int, folder: str) -> tuple[float, float]:
    augment = {**AUGMENT, "augment.views": views} if views else {}
    config = load_config(overrides={**NETWORK, **augment, "runtime.seed": seed})
    started = time.perf_counter()
    made = fit(data, config, runs_dir=folder)
    return made.report.evaluation.accuracy, time.perf_counter() - started


def part_of(data: Path, folder: Path) -> Path:
    """Return the data, or links to a tenth of each class where there are many images."""
    train = data / "train" if (data / "train").is_dir() and (data / "test").is_dir() else data
    classes = [path for path in sorted(train.iterdir()) if path.is_dir()]
    if sum(len(list(path.iterdir())) for path in classes) <= MANY:
        return data
    for path in classes:
        target = folder / data.name / path.name
        target.mkdir(parents=True)
        for file in sorted(path.iterdir())[::10]:
            (target / file.name).symlink_to(file.absolute())
    return folder / data.name


def main() -> None:
    for given in sys.argv[1:]:
        with tempfile.TemporaryDirectory() as folder:
            os.environ["TLK_CACHE"] = f"{folder}/cache"
            data = part_of(Path(given), Path(folder))
            for views in VIEWS:
                found = [accuracy(data, views, seed, f"{folder}/runs") for seed in SEEDS]
                scores, seconds = zip(*found, strict=True)
                each = ", ".join(f"{score:.3f}" for score in scores)
                print(
                    f"{data.name}  {views} views: mean {statistics.mean(scores):.4f} ({each}), "
                    f"{statistics.mean(seconds):.0f} s",
                    flush=True,
                )


if __name__ == "__main__":
    main()
