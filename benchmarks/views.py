"""How many stored views of each image are worth having: test accuracy by their number.

    KERAS_HOME=... python benchmarks/views.py DATA [DATA ...]

MobileNetV2 (alpha 0.35, ImageNet weights, 224 pixels); mirror images, rotations up to 15 degrees, crops of
at least half of the image; the head is chosen anew each time. Two seeds; of more than 5,000 images a tenth
per class is used.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SEEDS = (0, 1)
VIEWS = (0, 1, 2, 4, 8)
MANY = 5_000
TLK = str(Path(sys.executable).with_name("tlk"))
AUGMENT = ("flip=horizontal", "rotation=15", "random_resized_crop=0.5")


def accuracy(data: Path, views: int, seed: int, folder: str) -> tuple[float, float]:
    settings = [f"augment.{change}" for change in AUGMENT] + [f"augment.views={views}"] if views else []
    command = [TLK, "fit", str(data), "--backbone", "MobileNetV2", "--backbone-option", "alpha=0.35",
               "--seed", str(seed), "--runs-dir", folder, "--json"]  # fmt: skip
    command += [part for setting in settings for part in ("--set", setting)]
    started = time.perf_counter()
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return json.loads(done.stdout)["evaluation"]["accuracy"], time.perf_counter() - started


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
