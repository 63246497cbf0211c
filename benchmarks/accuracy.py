"""Accuracy of `tlk fit` with its defaults, on folders of photos: every seed and the median.

    KERAS_HOME=... python benchmarks/accuracy.py DATA [DATA ...]

MobileNetV2 (alpha 0.35) with ImageNet weights, which must be in KERAS_HOME or downloadable; seeds 0, 1, 2.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SEEDS = (0, 1, 2)
TLK = str(Path(sys.executable).with_name("tlk"))


def measure(data: str, seed: int, folder: str) -> dict:
    command = [TLK, "fit", data, "--backbone", "MobileNetV2", "--backbone-option", "alpha=0.35",
               "--seed", str(seed), "--runs-dir", folder, "--json"]  # fmt: skip
    started = time.perf_counter()
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout) | {"seconds": time.perf_counter() - started}


def main() -> None:
    for data in sys.argv[1:]:
        with tempfile.TemporaryDirectory() as folder:
            found = [measure(data, seed, folder) for seed in SEEDS]
        for seed, run in zip(SEEDS, found, strict=True):
            result = run["evaluation"]
            print(
                f"{Path(data).name}  seed {seed}  {run['split']} accuracy {result['accuracy']:.3f} "
                f"on {result['images']}, {run['training']['epochs']} epochs, {run['seconds']:.0f} s",
                flush=True,
            )
        median = statistics.median(run["evaluation"]["accuracy"] for run in found)
        print(f"{Path(data).name}  median {found[0]['split']} accuracy {median:.3f}")


if __name__ == "__main__":
    main()
