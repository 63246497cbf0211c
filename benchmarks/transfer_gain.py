"""Does transfer help? Test accuracy by the number of labelled images per class, for several ways to train.

    python benchmarks/transfer_gain.py digits [DATA ...] [--seeds 5] [--results FILE]

Ways: Tiny with its CIFAR-10 weights, frozen; the same, then fine-tuned; Tiny from scratch, for as many steps;
Tiny frozen at random. For data other than digits also MobileNetV2 (alpha 0.35) at 112 pixels, with ImageNet
weights from KERAS_HOME. All of them choose their best epoch on the same val images, which are not counted. A
run's result is a line in FILE; those that are there are not run again. Ends with tables, and a chart beside
this file.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from collections import defaultdict
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
from PIL import Image

from tl_keras import fit, load_config, pretrain, unfreeze_and_finetune
from tl_keras.config.schema import Config, DataConfig
from tl_keras.core.geometry import Geometry
from tl_keras.data import manifest
from tl_keras.data.decode_examples import check
from tl_keras.data.example import Example
from tl_keras.data.images.decode import decode
from tl_keras.data.sources.read import read_source
from tl_keras.data.splits import assign_splits

HERE = Path(__file__).parent
PER_CLASS = (1, 5, 10, 50, None)
EPOCHS, MORE_EPOCHS, EPOCH_IMAGES = 10, 10, 320
HEAD_RATE = 0.03
SIZE = 112
TINY = {
    "model.backbone": "Tiny",
    "train.epochs": EPOCHS,
    "train.learning_rate": HEAD_RATE,
    "finetune.epochs": MORE_EPOCHS,
}
ALL_OF_IT = {
    "finetune.unfreeze": "all",
    "finetune.learning_rate": 5e-4,
    "finetune.batchnorm": "affine",
}
FROM_SCRATCH = {"model.weights": "none", "train.epochs": EPOCHS + MORE_EPOCHS, "train.learning_rate": 1e-3}
IMAGENET = {
    "model.backbone": "MobileNetV2",
    "model.options": {"alpha": 0.35},
    "data.image_size": SIZE,
    "train.epochs": EPOCHS,
    "train.learning_rate": HEAD_RATE,
}


def settings(extra: dict, seed: int) -> Config:
    """Every epoch is trained, at a rate that falls to zero: the same number of steps for all."""
    common = {
        "runtime.seed": seed,
        "train.early_stopping": 0,
        "finetune.early_stopping": 0,
        "head.dropout": 0.2,
    }
    falling = {"train.schedule.kind": "cosine", "finetune.schedule.kind": "cosine"}
    return load_config(overrides=common | falling | extra)


def frozen(data: Path, seed: int, runs: Path) -> dict[str, float]:
    """Tiny frozen, and then fine-tuned: two results of one run."""
    made = fit(data, settings(TINY | ALL_OF_IT, seed), runs_dir=runs, name="frozen")
    tuned = unfreeze_and_finetune(made.run)
    kept = tuned.after if tuned.kept else tuned.before
    return {
        "Tiny, frozen": made.report.evaluation.accuracy,
        "Tiny, fine-tuned": kept.evaluation.accuracy,
    }


def scratch(data: Path, seed: int, runs: Path) -> dict[str, float]:
    options = TINY | {
        "model.weights": "none",
        "train.epochs": EPOCHS + MORE_EPOCHS,
        "train.learning_rate": 1e-3,
    }
    made = pretrain(data, settings(options, seed), runs_dir=runs, name="scratch")
    return {"Tiny, from scratch": made.report.evaluation.accuracy}


def random(data: Path, seed: int, runs: Path) -> dict[str, float]:
    made = fit(data, settings(TINY | {"model.weights": "none"}, seed), runs_dir=runs, name="random")
    return {"Tiny, frozen at random": made.report.evaluation.accuracy}


def imagenet(data: Path, seed: int, runs: Path) -> dict[str, float]:
    made = fit(data, settings(IMAGENET, seed), runs_dir=runs, name="imagenet")
    return {"MobileNetV2 0.35, ImageNet, frozen": made.report.evaluation.accuracy}


LINES = (
    "Tiny, fine-tuned",
    "Tiny, frozen",
    "Tiny, from scratch",
    "Tiny, frozen at random",
    "MobileNetV2 0.35, ImageNet, frozen",
)
WAYS = {"frozen": frozen, "scratch": scratch, "random": random, "imagenet": imagenet}


def few(examples: list[Example], per_class: int | None, seed: int, folder: Path) -> list[Example]:
    """Keep so many training images of each class, drawn by the seed; val and test stay whole.

    Each gets links of other names up to EPOCH_IMAGES, so that an epoch of ten images has as many steps as one
    of hundreds.
    """
    if per_class is None:
        return examples
    rng = np.random.default_rng(seed)
    by_class = defaultdict(list)
    for example in examples:
        if example.split == "train":
            by_class[example.label].append(example)
    chosen = [e for of in by_class.values() for e in rng.permutation(np.array(of, object))[:per_class]]
    repeated = []
    for number in range(max(EPOCH_IMAGES, len(chosen))):
        example = chosen[number % len(chosen)]
        link = folder / f"{number}{Path(example.path).suffix}"
        link.symlink_to(example.path)
        repeated.append(replace(example, path=str(link)))
    return repeated + [example for example in examples if example.split != "train"]


def scaled_down(data: str, folder: Path) -> list[Example]:
    """Return checked copies of all images, scaled once to SIZE pixels, which most of them are anyway."""
    copies = []
    for number, example in enumerate(read_source(DataConfig(source=data)).examples):
        file = folder / f"{number}.png"
        Image.fromarray(decode(example.path, Geometry(SIZE, SIZE))).save(file)
        copies.append(replace(example, path=str(file)))
    return check(copies, Geometry(SIZE, SIZE))


def measure(data: str, seeds: int, results: Path) -> None:
    name = Path(data).name
    ways = [way for way in WAYS if data != "digits" or way != "imagenet"]
    wanted = [key for key in product([name], ways, PER_CLASS, range(seeds)) if key not in known(results)]
    with tempfile.TemporaryDirectory() as folder:
        images = scaled_down(data, Path(folder))
        for name, way, per_class, seed in wanted:
            with tempfile.TemporaryDirectory() as work:
                table = Path(work) / "few.csv"
                examples = few(assign_splits(images, DataConfig().split, seed), per_class, seed, Path(work))
                table.write_text(manifest.to_csv(examples), encoding="utf-8")
                accuracy = WAYS[way](table, seed, Path(work))
            line = {"data": name, "way": way, "per_class": per_class, "seed": seed, "accuracy": accuracy}
            with results.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
            print(json.dumps(line), flush=True)


def known(results: Path) -> set[tuple[str, str, int | None, int]]:
    return {(line["data"], line["way"], line["per_class"], line["seed"]) for line in read(results)}


def read(results: Path) -> list[dict]:
    return [json.loads(line) for line in results.read_text().splitlines()] if results.is_file() else []


def collected(lines: list[dict], data: str) -> dict[str, dict[int | None, list[float]]]:
    """Return way -> images per class -> accuracies over the seeds, in the order of LINES."""
    found: dict = {name: defaultdict(list) for name in LINES}
    for line in lines:
        if line["data"] == data:
            for name, accuracy in line["accuracy"].items():
                found[name][line["per_class"]].append(accuracy)
    return {name: by_count for name, by_count in found.items() if by_count}


def show(found: dict[str, dict[int | None, list[float]]], data: str) -> None:
    print(f"\n{data}: test accuracy, mean and standard deviation over seeds\n")
    print("| images per class | " + " | ".join(str(n or "all") for n in PER_CLASS) + " |")
    print("|---" * (len(PER_CLASS) + 1) + "|")
    for name, by_count in found.items():
        cells = [spread(by_count[n]) if n in by_count else "" for n in PER_CLASS]
        print(f"| {name} | " + " | ".join(cells) + " |")


def spread(values: list[float]) -> str:
    return f"{statistics.mean(values):.3f} ± {deviation(values):.3f}"


def deviation(values: list[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else 0.0


def draw(lines: list[dict], names: list[str], file: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.5 * len(names), 4), layout="constrained")
    for axes, data in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        for name, by_count in collected(lines, data).items():
            counts = [n for n in PER_CLASS if n in by_count]
            means = [statistics.mean(by_count[n]) for n in counts]
            bars = [deviation(by_count[n]) for n in counts]
            axes.errorbar(
                [str(n or "all") for n in counts],
                means,
                bars,
                marker="o",
                capsize=3,
                label=name,
                color=f"C{LINES.index(name)}",
            )
        axes.set(title=data, xlabel="labelled images per class", ylabel="test accuracy", ylim=(0, 1))
        axes.grid(alpha=0.3)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=9)
    figure.savefig(file, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", nargs="+")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--results", type=Path, default=Path("transfer_gain.jsonl"))
    given = parser.parse_args()
    for data in given.data:
        measure(data, given.seeds, given.results)
    lines, names = read(given.results), [Path(data).name for data in given.data]
    for name in names:
        show(collected(lines, name), name)
    draw(lines, names, HERE / "transfer_gain.png")


if __name__ == "__main__":
    main()
