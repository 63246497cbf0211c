"""Does training over several workers or devices come to what one process comes to? On one machine.

    python benchmarks/workers.py sign_digits/ [--images 240]

The same `tlk fit` on whole images, and fine-tuning after it: in one process, over 2 and 4 workers (TF_CONFIG)
and mirrored over two logical CPU devices, at the same global batch. Printed: the largest difference of a
loss of any epoch and of a weight to those of the one process, which must be at most 1e-5 and 1e-4, and the
seconds of the whole command. The workers share this machine's cores, so nothing gets faster here.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from subprocess import PIPE, STDOUT

import numpy as np

LOSS, WEIGHT = 1e-5, 1e-4
PER_BATCH = 24
TRAIN = """
import sys
from tl_keras.core.tensorflow_setup import import_tensorflow
import_tensorflow()
import tensorflow as tf
photos, runs, name, strategy = sys.argv[1:]
if strategy == "mirrored":
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
from tl_keras import fit, load_config, unfreeze_and_finetune
config = load_config(overrides={
    "model.backbone": "Tiny", "head.dropout": 0.0, "features": False,
    "train.epochs": 3, "train.batch_size": BATCH, "finetune.epochs": 2, "finetune.batch_size": BATCH,
    "finetune.unfreeze": "all", "finetune.learning_rate": 1e-4, "runtime.strategy": strategy})
fit(photos, config, name=name, runs_dir=runs)
unfreeze_and_finetune(f"{runs}/{name}")
""".replace("BATCH", str(PER_BATCH))


def divisible_split(source: Path, images: int, folder: Path) -> None:
    """Copy images of each class so that train, val and test can be shared equally by up to 4 workers."""
    classes = sorted(path for path in source.iterdir() if path.is_dir())
    for split, first, count in (
        ("train", 0, images),
        ("val", images, PER_BATCH),
        ("test", 2 * images, PER_BATCH),
    ):
        for number in range(count):
            files = sorted(classes[number % len(classes)].iterdir())
            file = files[(first + number) // len(classes)]
            target = folder / split / file.parent.name
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)


def train(photos: Path, runs: Path, name: str, strategy: str, workers: int) -> float:
    """Run it on as many processes, and return the seconds until the last one has ended."""
    sockets = [socket.create_server(("localhost", 0)) for _ in range(workers)]
    addresses = [f"localhost:{one.getsockname()[1]}" for one in sockets]
    for one in sockets:
        one.close()
    started = time.perf_counter()
    processes = []
    for index in range(workers):
        env = {key: value for key, value in os.environ.items() if key != "TF_CONFIG"}
        if workers > 1:
            task = {"type": "worker", "index": index}
            env["TF_CONFIG"] = json.dumps({"cluster": {"worker": addresses}, "task": task})
        command = [sys.executable, "-c", TRAIN, str(photos), str(runs), name, strategy]
        processes.append(subprocess.Popen(command, env=env, text=True, stdout=PIPE, stderr=STDOUT))
    said = [process.communicate()[0] for process in processes]
    if any(process.returncode for process in processes):
        raise SystemExit("\n".join([f"{name} failed", *said]))
    return time.perf_counter() - started


def losses(phase: Path) -> np.ndarray:
    with (phase / "history.csv").open() as file:
        return np.array([[float(row["loss"]), float(row["val_loss"])] for row in csv.DictReader(file)])


def weights(phase: Path) -> np.ndarray:
    import keras

    model = keras.models.load_model(phase / "model.keras", compile=False)
    return np.concatenate([value.ravel() for value in model.get_weights()])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="a folder of class folders")
    parser.add_argument("--images", type=int, default=240, help="training images, a multiple of 24")
    options = parser.parse_args()
    worst = np.zeros(2)
    with tempfile.TemporaryDirectory() as made:
        photos, runs = Path(made) / "photos", Path(made) / "runs"
        divisible_split(options.folder, options.images, photos)
        print("| trained on | loss differs by | weights differ by | seconds |\n|---|---|---|---|")
        for name, strategy, workers in (
            ("1 process", "none", 1),
            ("2 workers", "multi_worker", 2),
            ("4 workers", "multi_worker", 4),
            ("2 devices", "mirrored", 1),
        ):
            seconds = train(photos, runs, name.replace(" ", "-"), strategy, workers)
            found = np.zeros(2)
            for phase in ("1-head", "2-finetune"):
                here, alone = (runs / run / "phases" / phase for run in (name.replace(" ", "-"), "1-process"))
                differences = [np.abs(get(here) - get(alone)).max() for get in (losses, weights)]
                found = np.maximum(found, differences)
            worst = np.maximum(worst, found)
            print(f"| {name} | {found[0]:.1g} | {found[1]:.1g} | {seconds:.1f} |", flush=True)
    if (worst > (LOSS, WEIGHT)).any():
        raise SystemExit(f"They must not differ by more than {LOSS:g} and {WEIGHT:g}.")


if __name__ == "__main__":
    main()
