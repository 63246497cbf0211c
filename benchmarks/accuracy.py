"""Accuracy of `tlk fit` with its defaults, of the plain Keras recipe, and of a logistic regression.

    KERAS_HOME=... python benchmarks/accuracy.py DATA [DATA ...]

MobileNetV2 (alpha 0.35) with ImageNet weights, which must be in KERAS_HOME or downloadable. Five seeds,
each with a split of its own where DATA has none. The plain recipe (`plain_keras.py`, ten epochs, without
augmentation) and scikit-learn's LogisticRegressionCV train on the same training images; all are scored on
the same other ones.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

SEEDS = range(5)
TLK = str(Path(sys.executable).with_name("tlk"))
PLAIN = Path(__file__).with_name("plain_keras.py")


def output_of(command: list[str]) -> dict:
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return json.loads(done.stdout[done.stdout.index("{") :])  # Keras says how many files it found


def fit(data: str, seed: int, folder: Path) -> dict:
    command = [TLK, "fit", data, "--backbone", "MobileNetV2", "--backbone-option", "alpha=0.35",
               "--seed", str(seed), "--runs-dir", str(folder), "--name", str(seed), "--json"]  # fmt: skip
    started = time.perf_counter()
    return output_of(command) | {"seconds": time.perf_counter() - started}


def plain(run: Path, split: str, seed: int, folder: Path) -> float:
    """Train the plain recipe on the run's training images; return its accuracy on its reported ones."""
    with (run / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if not row["problem"]]
    images = folder / f"images-{seed}"
    for number, row in enumerate(rows):
        part = {"train": "train", split: "val"}.get(row["split"])
        if part:
            target = images / part / row["label"] / f"{number}{Path(row['path']).suffix}"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(row["path"], target)
    command = [sys.executable, str(PLAIN), str(images), "--alpha", "0.35", "--seed", str(seed)]
    return float(output_of(command)["head_accuracy"])


def regression(folder: Path, split: str, seed: int) -> float:
    """Return the accuracy of a logistic regression on the features that the run was trained on."""
    from sklearn.linear_model import LogisticRegressionCV
    from sklearn.model_selection import StratifiedKFold

    from tl_keras.features.cached_backbone import cached_trunk
    from tl_keras.models.classifier import trunk_of
    from tl_keras.runs.run import open_run

    run, classifier = open_run(folder)
    cached = cached_trunk(trunk_of(classifier), run.config, run.info.geometry)
    features, labels = {}, {}
    for name in ("train", split):
        examples = cached.check_and_compute(run.dataset.split(name))
        features[name] = cached.stored.read(cached.stored.locate([e.sha256 for e in examples]))
        labels[name] = [example.label for example in examples]
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    model = LogisticRegressionCV(Cs=10, cv=folds, max_iter=1000, n_jobs=2)
    return float(model.fit(features["train"], labels["train"]).score(features[split], labels[split]))


def main() -> None:
    for data in sys.argv[1:]:
        found: dict[str, list[float]] = {"tlk fit": [], "plain recipe": [], "logistic regression": []}
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            os.environ["TLK_CACHE"] = str(folder / "cache")
            for seed in SEEDS:
                run = fit(data, seed, folder)
                split = run["split"]
                scores = (
                    run["evaluation"]["accuracy"],
                    plain(Path(run["run"]), split, seed, folder),
                    regression(Path(run["run"]), split, seed),
                )
                for values, score in zip(found.values(), scores, strict=True):
                    values.append(score)
                told = "  ".join(f"{what} {score:.3f}" for what, score in zip(found, scores, strict=True))
                images, seconds = run["evaluation"]["images"], run["seconds"]
                print(
                    f"{Path(data).name}  seed {seed}, {split} {images}: {told}  ({seconds:.0f} s)", flush=True
                )
        told = "  ".join(f"{what} {statistics.mean(values):.4f}" for what, values in found.items())
        print(f"{Path(data).name}  mean: {told}", flush=True)


if __name__ == "__main__":
    main()
