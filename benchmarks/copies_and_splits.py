"""Whether planted copies are found, and whether splits are what they promise.

    python benchmarks/copies_and_splits.py FOLDER [FOLDER ...]

Copies: 100 images, resized by 0.5 to 0.9 and encoded as JPEG of quality 60, are put into `test` while their
originals are in `train`. Splits: proportions, what moves when 20% more images come, groups, other processes.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import random
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

from PIL import Image, ImageOps

from tl_keras.config.schema import Config, DataConfig
from tl_keras.data.example import Example
from tl_keras.data.sources.read import read_source
from tl_keras.data.splits import assign_splits
from tl_keras.inspection.inspect_images import inspect_images
from tl_keras.workflows.inspect import inspect

COPIES, SEEDS = 100, 5
PAIRS = ("leak", "near_leak", "exact_copy", "near_duplicate", "other_label", "near_conflict")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--hash", action="store_true", help="print a hash of the splits only")
    args = parser.parse_args()
    for folder in args.folders:
        examples = flat(folder.resolve())
        if args.hash:
            print(hash_of(assign_splits(examples, DataConfig(), 0)))
            continue
        print(f"{folder.name}: {len(examples):,} images")
        plant(examples)
        splits(examples, folder)


def flat(folder: Path) -> list[Example]:
    """Return the readable images of a data set, examined, and without the splits that it may have."""
    found = inspect_images(read_source(DataConfig(source=str(folder))).examples, Config())
    return [replace(example, split="") for example in found if example.is_used]


def plant(examples: list[Example]) -> None:
    """Print how many planted copies are found, and what else is."""
    rng = random.Random(0)
    with tempfile.TemporaryDirectory() as work:
        root = Path(work) / "data"
        links = {}
        for number, example in enumerate(rng.sample(examples, len(examples))):
            split = "train" if number < COPIES or rng.random() < 0.8 else "test"
            link = root / split / example.label / f"{number:06d}{Path(example.path).suffix}"
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(example.path)
            links[number] = link
        before = pairs(root)
        copies = {}
        for number in range(COPIES):
            copy = root / "test" / links[number].parent.name / f"copy{number:03d}.jpg"
            copy.write_bytes(recoded(links[number], rng))
            copies[str(copy)] = str(links[number])
        after = pairs(root)
    found = sum((copy, original) in after for copy, original in copies.items())
    new = {pair for pair in after - before if not set(pair) & set(copies)}
    partners = sum(bool(set(pair) & set(copies)) for pair in after) - found
    print(f"  copies found: {found} of {COPIES}; pairs of a copy with another image: {partners}")
    print(f"  pairs among the originals: {len(before)} before, {len(new)} more afterwards")


def pairs(root: Path) -> set[tuple[str, str]]:
    with tempfile.TemporaryDirectory() as work:
        found = inspect(root, issues=Path(work) / "issues.csv").inspection.findings
    return {(finding.path, finding.other) for finding in found if finding.kind.name in PAIRS}


def recoded(path: Path, rng: random.Random) -> bytes:
    with Image.open(path) as opened:
        image = ImageOps.exif_transpose(opened).convert("RGB")
    scale = rng.uniform(0.5, 0.9)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    encoded = io.BytesIO()
    image.resize(size, Image.Resampling.BICUBIC).save(encoded, "JPEG", quality=60)
    return encoded.getvalue()


def splits(examples: list[Example], folder: Path) -> None:
    """Print what the splits of a data set are worth, over a few seeds."""
    config = DataConfig()
    alike = {e.path for e in examples if e.group}
    by_five = [replace(e, group=f"group {index // 5}") for index, e in enumerate(examples)]
    for seed in range(SEEDS):
        whole = {e.path: e.split for e in assign_splits(examples, config, seed)}
        old = assign_splits(grouped_anew(random.Random(seed), examples), config, seed)
        grouped = defaultdict(set)
        for example in assign_splits(by_five, config, seed):
            grouped[example.group].add(example.split)
        shares = Counter(whole.values())
        parts = " ".join(f"{split} {shares[split] / len(examples):.2%}" for split in ("train", "val", "test"))
        moved = [e for e in old if whole[e.path] != e.split]
        twins = sum(e.path in alike for e in moved)
        straddling = sum(len(found) > 1 for found in grouped.values())
        print(
            f"  seed {seed}: {parts}; of {len(old):,} old images {len(moved)} moved "
            f"({twins} near-duplicates); {straddling} of {len(grouped):,} groups straddle"
        )
    same = {hash_of(assign_splits(examples, config, 0)), *(elsewhere(folder, number) for number in (1, 2))}
    print(f"  other processes, other hash seeds: {'the same' if len(same) == 1 else 'DIFFERENT'}", flush=True)


def grouped_anew(rng: random.Random, examples: list[Example]) -> list[Example]:
    """Return five sixths of the examples, with the groups that they have without the others."""
    old = rng.sample(examples, len(examples) * 5 // 6)
    return inspect_images([replace(example, group="") for example in old], Config())


def elsewhere(folder: Path, number: int) -> str:
    command = [sys.executable, __file__, "--hash", str(folder)]
    changed = os.environ | {"PYTHONHASHSEED": str(number)}
    return subprocess.run(command, env=changed, capture_output=True, text=True, check=True).stdout.strip()


def hash_of(examples: list[Example]) -> str:
    lines = sorted(f"{example.sha256} {example.split}" for example in examples)
    return hashlib.sha256("\\n".join(lines).encode()).hexdigest()


if __name__ == "__main__":
    main()
