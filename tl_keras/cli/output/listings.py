"""What `tlk runs`, `tlk cache` and `tlk backbones` print."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tl_keras.cli.output.common import print_json
from tl_keras.core.console import result, table, warn

if TYPE_CHECKING:
    from tl_keras.features.budget import StoredFeatures
    from tl_keras.models.backbones import Backbone
    from tl_keras.models.costs import BlockCost
    from tl_keras.workflows.backbones import BackboneCosts
    from tl_keras.workflows.runs import RunSummary

MOST_RUNS = 3


def print_runs(runs: list[RunSummary], runs_dir: Path, *, as_json: bool) -> None:
    if as_json:
        return print_json([asdict(run) for run in runs])
    if not runs:
        warn(f"there are no finished runs in {runs_dir}. Make one with: tlk fit DATA")
        return None
    table(("run", "made", "data", "backbone", "phase", "accuracy"), [_run_row(run) for run in runs])
    return None


def _run_row(run: RunSummary) -> tuple[str, ...]:
    accuracy = run.problem if run.accuracy is None else f"{run.accuracy:.3f} ({run.split}, {run.images})"
    return (run.name, run.made, Path(run.data).name, run.backbone, run.phase, accuracy)


def print_cache(stores: list[StoredFeatures], *, as_json: bool) -> None:
    if as_json:
        return print_json([asdict(store) for store in stores])
    if not stores:
        warn("no features are stored.")
        return None
    columns = ("backbone", "weights", "up to", "pixels", "dtype", "images", "MB", "last used", "runs")
    table(columns, [*map(_cache_row, stores)])
    result(f"{sum(store.megabytes for store in stores):.1f} MB in {stores[0].folder.parent}")
    return None


def _cache_row(store: StoredFeatures) -> tuple[str, ...]:
    about = store.about
    view = f", view {about['augment']['view']}" if "augment" in about else ""
    pixels = str(about.get("resizing", ["?"])[0])
    used = time.strftime("%Y-%m-%d %H:%M", time.localtime(store.used))
    names = ", ".join(Path(run).name for run in store.runs[-MOST_RUNS:])
    more = len(store.runs) - MOST_RUNS
    names = f"{names} and {more} more" if more > 0 else names
    known = (str(about.get("backbone", about.get("what", "?"))), str(about.get("weights", "?"))[:6])
    place = (f"{about.get('cut', '?')}{view}", pixels, str(about.get("dtype", "?")))
    return (*known, *place, str(store.rows), f"{store.megabytes:.1f}", used, names)


def print_backbones(backbones: list[Backbone], *, as_json: bool) -> None:
    if as_json:
        return print_json([asdict(backbone) for backbone in backbones])
    columns = ("backbone", "size", "least", "features", "M weights", "source", "pixels", "options", "blocks")
    table(columns, [_backbone_row(backbone) for backbone in backbones])
    return None


def _backbone_row(b: Backbone) -> tuple[str, ...]:
    sizes = (str(b.default_size), str(b.min_size), str(b.features), f"{b.parameters / 1e6:.1f}")
    return (b.name, *sizes, b.source, b.preprocessing, " ".join(b.options), b.blocks.listed)


def print_backbone_costs(found: BackboneCosts, *, as_json: bool) -> None:
    if as_json:
        return print_json(_costs_json(found))
    columns = ("block", "layers", "weights", "share", "from here on", "M mult-adds", "share", "from here on")
    table(columns, [*map(_cost_row, _costs_json(found)["blocks"])])
    weights, compute = (sum(sizes) for sizes in zip(*map(_sizes, found.blocks), strict=True))
    result(
        f"{found.backbone} at {found.image_size} pixels: {weights:,} weights, "
        f"{compute / 1e6:,.0f} million multiply-adds per image"
    )
    result("To train from a block on: tlk unfreeze-and-finetune RUN --unfreeze from:BLOCK")
    return None


def _costs_json(found: BackboneCosts) -> dict[str, Any]:
    """Return the costs with, for each block, its shares of the network and those of all from it on."""
    sizes = [_sizes(block) for block in found.blocks]
    whole = [sum(column) for column in zip(*sizes, strict=True)]
    shares = [[size / total for size, total in zip(both, whole, strict=True)] for both in sizes]
    rest = [[sum(column) for column in zip(*shares[index:], strict=True)] for index in range(len(shares))]
    blocks = [
        {
            **asdict(block),
            "share": dict(zip(("parameters", "multiply_adds"), share, strict=True)),
            "from_here_on": dict(zip(("parameters", "multiply_adds"), on, strict=True)),
        }
        for block, share, on in zip(found.blocks, shares, rest, strict=True)
    ]
    return {**asdict(found), "blocks": blocks}


def _sizes(block: BlockCost) -> tuple[int, int]:
    return block.parameters, block.multiply_adds


def _cost_row(block: dict[str, Any]) -> tuple[str, ...]:
    def shares(size: str) -> tuple[str, str]:
        return f"{block['share'][size]:.1%}", f"{block['from_here_on'][size]:.1%}"

    weights = (f"{block['parameters']:,}", *shares("parameters"))
    compute = (f"{block['multiply_adds'] / 1e6:,.1f}", *shares("multiply_adds"))
    return (block["block"], str(block["layers"]), *weights, *compute)
