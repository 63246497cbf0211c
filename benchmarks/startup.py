"""How long a user waits for `tlk --help` and for one answer from a `.tflite`: medians of whole processes.

    python benchmarks/startup.py

The limits are 0.3 s and 1 s; beside them stands the bare start of Python, and of Python with TensorFlow and
Keras, on the same machine in the same run.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUNS = 9
TLK = str(Path(sys.executable).with_name("tlk"))


def seconds(command: list[str]) -> float:
    """Return the median duration of a command, after one run that warms the disk cache."""
    taken = []
    for _ in range(RUNS + 1):
        started = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken[1:])


def make_model(folder: Path) -> tuple[Path, Path]:
    """Train and export a small classifier of digits; return its `.tflite` and an image."""
    os.environ["TLK_CACHE"] = str(folder / "cache")
    fit = [TLK, "fit", "digits", "--backbone", "MobileNetV2", "--backbone-option", "alpha=0.35",
           "--weights", "none", "--image-size", "224", "--epochs", "1", "--name", "digits",
           "--runs-dir", str(folder)]  # fmt: skip
    export = [TLK, "export", str(folder / "digits"), "--format", "tflite"]
    for command in (fit, export):
        subprocess.run(command, check=True, capture_output=True)
    return folder / "digits" / "exports" / "model.tflite", next((folder / "cache" / "digits").rglob("*.png"))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        model, image = make_model(Path(folder))
        python = seconds([sys.executable, "-c", "pass"])
        tensorflow = seconds([sys.executable, "-c", "import tensorflow, keras"])
        help_text = seconds([TLK, "--help"])
        predict = seconds([TLK, "predict", str(model), str(image)])
    print(f"python -c pass                      {python:.2f} s")
    print(f"python -c 'import tensorflow, keras' {tensorflow:.2f} s")
    print(f"tlk --help                          {help_text:.2f} s   limit 0.3 s: {help_text / 0.3:.2f} of it")
    print(f"tlk predict x.tflite photo          {predict:.2f} s   limit 1 s: {predict:.2f} of it")


if __name__ == "__main__":
    main()
