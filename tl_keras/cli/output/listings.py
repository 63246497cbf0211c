"""What `tlk runs`, `tlk cache` and `tlk backbones` print."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tl_keras.cli.output.common import print_json
from tl_keras.core.console import result, table, warn

if TYPE_CHECKING:
    from tl_keras import Backbone, BackboneCosts, RunSummary, StoredFeatures

MOST_RUNS = 3


def print_runs(runs: list[RunSummary], runs_dir: Path, *, as_json: bool) -> None:
    if as_json:
        print_json([run.to_dict() for run in runs])
    elif runs:
        table(("run", "made", "data", "backbone", "phase", "accuracy"), [_run_row(run) for run in runs])
    else:
        warn(f"there are no runs in {runs_dir}. Make one with: tlk fit DATA")
    for run in runs:
        if run.resume:
            what = f"the fine-tuning of {run.name}" if run.finished else run.name
            warn(f"{what} is unfinished; resume it with: {run.resume}")


def _run_row(run: RunSummary) -> tuple[str, ...]:
    accuracy = run.problem if run.accuracy is None else f"{run.accuracy:.3f} ({run.split}, {run.images})"
    return (run.name, run.made, Path(run.data).name, run.backbone, run.phase, accuracy)


def print_cache(stores: list[StoredFeatures], *, as_json: bool) -> None:
    if as_json:
        return print_json([store.to_dict() for store in stores])
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
        return print_json([backbone.to_dict() for backbone in backbones])
    columns = ("backbone", "size", "least", "features", "M weights", "source", "pixels", "options", "blocks")
    table(columns, [_backbone_row(backbone) for backbone in backbones])
    return None


def _backbone_row(b: Backbone) -> tuple[str, ...]:
    sizes = (str(b.default_size), str(b.min_size), str(b.features), f"{b.parameters / 1e6:.1f}")
    return (b.name, *sizes, b.source, b.preprocessing, " ".join(b.options), b.blocks.listed)


def print_backbone_costs(found: BackboneCosts, *, as_json: bool) -> None:
    if as_json:
        return print_json(found.to_dict())
    columns = ("block", "layers", "weights", "share", "from here on", "M mult-adds", "share", "from here on")
    table(columns, [*map(_cost_row, found.to_dict()["blocks"])])
    result(
        f"{found.backbone} at {found.image_size} pixels: {found.parameters:,} weights, "
        f"{found.multiply_adds / 1e6:,.0f} million multiply-adds per image"
    )
    result("To train from a block on: tlk unfreeze-and-finetune RUN --unfreeze from:BLOCK")
    return None


def _cost_row(block: dict[str, Any]) -> tuple[str, ...]:
    def shares(size: str) -> tuple[str, str]:
        return f"{block['share'][size]:.1%}", f"{block['from_here_on'][size]:.1%}"

    weights = (f"{block['parameters']:,}", *shares("parameters"))
    compute = (f"{block['multiply_adds'] / 1e6:,.1f}", *shares("multiply_adds"))
    return (block["block"], str(block["layers"]), *weights, *compute)
