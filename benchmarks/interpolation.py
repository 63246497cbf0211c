"""Weights between those before and after the second phase (WiSE-FT, arXiv 2109.01903): what they are worth.

    KERAS_HOME=... python benchmarks/interpolation.py DATA [DATA ...] [--seeds 3]
        [--unfreeze last:0.3 --learning-rate 1e-4] [--alpha 0.35 --weights FILE]

MobileNetV2 is fitted and fine-tuned on each DATA with each seed; then the weights are set to points between
both, 0 (before) to 1 (after), and val and test are measured at each. Chosen on val are: one of both ends, as
`tlk unfreeze-and-finetune` does, or any of the points, by accuracy and then loss, or by loss alone. What is
chosen is scored on test.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

SHARES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
Scores = dict[float, dict[str, tuple[float, float]]]
"""Share -> split -> accuracy and loss."""
RULES: dict[str, Callable[[Scores], float]] = {
    "before": lambda _: 0.0,
    "after": lambda _: 1.0,
    "better end": lambda found: max((0.0, 1.0), key=lambda share: by_accuracy(found[share])),
    "best point": lambda found: max(SHARES, key=lambda share: by_accuracy(found[share])),
    "point of least loss": lambda found: min(SHARES, key=lambda share: found[share]["val"][1]),
    "at 0.6": lambda _: 0.6,
}


def by_accuracy(scores: dict[str, tuple[float, float]]) -> tuple[float, float]:
    accuracy, loss = scores["val"]
    return accuracy, -loss


def measure(data: Path, seed: int, folder: Path, options: argparse.Namespace) -> tuple[str, Scores]:
    """Return the split that is reported, and the scores between both ends of the second phase."""
    import keras

    import tl_keras
    from tl_keras.runs.run import open_run

    network = {"model.backbone": "MobileNetV2", "model.options": {"alpha": options.alpha}}
    weights = {"model.weights": options.weights} if options.weights else {}
    tuning = {"finetune.unfreeze": options.unfreeze, "finetune.learning_rate": options.learning_rate}
    config = tl_keras.load_config(None, network | weights | tuning | {"runtime.seed": seed})
    made = tl_keras.fit(data, config, name="run", runs_dir=folder / f"{data.name}-{seed}")
    tl_keras.unfreeze_and_finetune(made.run)
    run, _ = open_run(made.run)
    before, after = (
        keras.saving.load_model(made.run / "phases" / phase / "model.keras", compile=False)
        for phase in ("1-head", "2-finetune")
    )
    ends = list(zip(before.get_weights(), after.get_weights(), strict=True))
    found: Scores = {}
    for share in SHARES:
        after.set_weights([(1 - share) * one + share * other for one, other in ends])
        found[share] = {split: scored(run, after, split) for split in {"val", made.report.split}}
    return made.report.split, found


def scored(run: Any, model: Any, split: str) -> tuple[float, float]:
    from tl_keras.evaluation.measure import measure

    with run.image_loader(split) as images:
        evaluation, _ = measure(model, images, run.info.task, split)
    return evaluation.accuracy, evaluation.loss


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--weights")
    parser.add_argument("--alpha", type=float, default=0.35)
    parser.add_argument("--unfreeze", default="last:0.3")
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    options = parser.parse_args()
    print(f"| set ({options.unfreeze}, {options.learning_rate:g}) | seed |", *RULES, sep=" | ")
    means: dict[str, list[tuple[float, float]]] = {rule: [] for rule in RULES}
    for data in options.data:
        for seed in range(options.seeds):
            with tempfile.TemporaryDirectory() as folder:
                split, found = measure(data, seed, Path(folder), options)
            chosen = {rule: choose(found) for rule, choose in RULES.items()}
            for rule, share in chosen.items():
                means[rule].append(found[share][split])
            cells = [f"{found[share][split][0]:.3f} ({share:g})" for share in chosen.values()]
            print(f"| {data.name} | {seed} |", " | ".join(cells), "|", flush=True)
    for name, part in (("accuracy", 0), ("loss", 1)):
        cells = [f"{statistics.mean(score[part] for score in scores):.4f}" for scores in means.values()]
        print(f"| mean {name} | |", " | ".join(cells), "|")


if __name__ == "__main__":
    main()
