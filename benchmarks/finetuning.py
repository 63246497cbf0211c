"""Ways of fine-tuning, on one data set with one network: test accuracy over seeds, seconds per epoch.

    python benchmarks/finetuning.py PHOTOS [--seeds 0 1 2] [--epochs 5] [--only NAME ...] [--alpha 0.35]

Every seed has its own split and its own head, trained on the frozen backbone (MobileNetV2 with ImageNet
weights); each way goes on from that head, but for the one that trains all in one step. The rates go up in the
first epoch and down to 0 in half a cosine, but for the plain recipe's, which is Keras's guide to transfer
learning: the top of the network at 1e-5. Early stopping is off; the best epoch by val loss is measured.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from pathlib import Path
from statistics import mean, stdev
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

COSINE = {"schedule.kind": "cosine", "schedule.warmup_epochs": 1}
ALL = {**COSINE, "unfreeze": "all", "learning_rate": 1e-3}
DECAY = {**ALL, "layer_lr_decay": 0.85}
WAYS: dict[str, dict[str, Any]] = {
    "plain recipe: last 30 % at 1e-5": {
        "unfreeze": "last:0.3", "schedule.kind": "constant", "learning_rate": 1e-5,
    },
    "the default: last 30 % at 1e-4": {**ALL, "unfreeze": "last:0.3", "learning_rate": 1e-4},
    "all at 1e-4": {**ALL, "learning_rate": 1e-4},
    "last 30 % at 1e-3": {**ALL, "unfreeze": "last:0.3"},
    "all at 1e-3": ALL,
    "all, decay 0.85 per block": DECAY,
    "the same at 3e-4": {**DECAY, "learning_rate": 3e-4},
    "decay, label smoothing 0.1": {**DECAY, "label_smoothing": 0.1},
    "decay, gradual: head 1, 4 blocks 2, all 3": {
        **DECAY,
        "stages": [
            {"epochs": 1, "unfreeze": "none"},
            {"epochs": 2, "unfreeze": "blocks:4"},
            {"epochs": 3, "unfreeze": "all"},
        ],
    },
    "decay, AdaBN": {**DECAY, "batchnorm": "adapt"},
    "decay, gamma and beta too": {**DECAY, "batchnorm": "affine"},
    "decay, L2-SP 0.01": {**DECAY, "l2_sp": 0.01},
    "one step: no head beforehand, decay": DECAY,
}  # fmt: skip
HEAD = "head alone"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("photos", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--only", nargs="+", default=list(WAYS))
    parser.add_argument("--alpha", type=float, default=0.35)
    options = parser.parse_args()
    ways = [way for way in WAYS if any(part in way for part in options.only)]
    rows: dict[str, list[tuple[float, float, float]]] = {name: [] for name in (HEAD, *ways)}
    with tempfile.TemporaryDirectory() as folder:
        for seed in options.seeds:
            run = _head(options.photos, options.alpha, seed, Path(folder))
            for way in rows:
                rows[way].append(_trained(way, run, options.photos, options.alpha, seed, options.epochs))
                accuracy, val, seconds = rows[way][-1]
                print(f"seed {seed}, {way}: test {accuracy:.4f}, val {val:.4f}, {seconds:.1f} s", flush=True)
    print("\n| | test accuracy | deviation | val accuracy | s per epoch |\n|---|---|---|---|---|")
    for way, found in rows.items():
        accuracies, vals, seconds = zip(*found, strict=True)
        deviation = stdev(accuracies) if len(accuracies) > 1 else 0.0
        print(
            f"| {way} | {mean(accuracies):.4f} | {deviation:.4f} | {mean(vals):.4f} | {mean(seconds):.1f} |"
        )


def _settings(alpha: float, seed: int) -> dict[str, Any]:
    return {"model.backbone": "MobileNetV2", "model.options": {"alpha": alpha}, "runtime.seed": seed}


def _head(photos: Path, alpha: float, seed: int, folder: Path) -> Path:
    import tl_keras

    config = tl_keras.load_config(overrides=_settings(alpha, seed))
    return tl_keras.fit(photos, config, name=f"head-{seed}", runs_dir=folder).run


def _trained(
    way: str, run: Path, photos: Path, alpha: float, seed: int, epochs: int
) -> tuple[float, float, float]:
    """Return accuracy on test and on val, and seconds per epoch."""
    import tl_keras

    if way == HEAD:
        val = tl_keras.evaluate(run, split="val").report.evaluation.accuracy
        return tl_keras.evaluate(run).report.evaluation.accuracy, val, 0.0
    changes = {f"finetune.{name}": value for name, value in WAYS[way].items()}
    changes |= {"finetune.epochs": epochs, "finetune.early_stopping": 0}
    if way.startswith("one step"):
        config = tl_keras.load_config(overrides=_settings(alpha, seed) | changes | {"transfer": "full"})
        made = tl_keras.fit(photos, config, name=f"full-{seed}", runs_dir=run.parent)
        return (
            made.report.evaluation.accuracy,
            made.phase.val_accuracy,
            made.phase.seconds / made.phase.epochs,
        )
    copy = run.with_name(f"copy-{time.monotonic_ns()}")
    shutil.copytree(run, copy)
    config = tl_keras.load_config(copy / "config.yaml", changes)
    done = tl_keras.unfreeze_and_finetune(copy, config)
    shutil.rmtree(copy)
    seconds = done.phase.seconds / done.phase.epochs
    return done.after.evaluation.accuracy, done.val_after.accuracy, seconds


if __name__ == "__main__":
    main()
