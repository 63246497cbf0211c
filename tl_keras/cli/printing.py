"""Results -> stdout: tables for people, JSON and CSV for programs."""

from __future__ import annotations

import csv
import itertools
import json
import shlex
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tl_keras.console import progress, result, table, warn

if TYPE_CHECKING:
    from tl_keras.evaluation.report import Report
    from tl_keras.evaluation.result import ClassScore, Evaluation
    from tl_keras.features.room import StoredFeatures
    from tl_keras.models.backbones import Backbone
    from tl_keras.models.compute import BlockCost
    from tl_keras.workflows.backbone_costs import BackboneCosts
    from tl_keras.workflows.cross_validate import CrossValidation
    from tl_keras.workflows.evaluate import EvaluateResult
    from tl_keras.workflows.export import ExportResult
    from tl_keras.workflows.fit import FitResult
    from tl_keras.workflows.predict import Prediction
    from tl_keras.workflows.pretrain import PretrainResult
    from tl_keras.workflows.resume import Resumed
    from tl_keras.workflows.runs import RunSummary
    from tl_keras.workflows.unfreeze_and_finetune import FinetuneResult

MOST_CONFUSION_COLUMNS = 12
TABLE_ROWS = 500
MOST_RUNS = 3
GOOD_AGREEMENT = {"none": 1.0, "float16": 0.99, "dynamic": 0.97, "int8": 0.97}


def print_fit(done: FitResult, *, as_json: bool) -> None:
    if as_json:
        return _json({"run": str(done.run), "training": asdict(done.phase), **done.report.to_dict()})
    result(done.report.headline())
    if done.report.transfer:
        result(done.report.transfer.describe())
    result(f"run: {done.run}")
    result(f"next: tlk unfreeze-and-finetune {_quoted(done.run)}")
    return None


def print_cross_validation(done: CrossValidation, *, as_json: bool) -> None:
    if as_json:
        return _json(done.to_dict())
    columns = ("fold", "accuracy", "95% interval", "macro F1", "images", "run")
    table(columns, [_fold_row(*fold) for fold in enumerate(zip(done.runs, done.reports, strict=True), 1)])
    rows = [(found.name, f"{found.recall:.3f}", str(found.images)) for found in done.summary.recall]
    table(("class", "pooled recall", "images"), rows)
    result(done.summary.headline())
    return None


def _fold_row(fold: int, made: tuple[Path, Report]) -> tuple[str, ...]:
    run, found = made[0], made[1].evaluation
    low, high = found.interval
    figures = (f"{found.accuracy:.3f}", f"{low:.3f} to {high:.3f}", f"{found.macro.f1:.3f}")
    return (str(fold), *figures, str(found.images), str(run))


def print_pretrain(done: PretrainResult, *, as_json: bool) -> None:
    if as_json:
        found = {"run": str(done.run), "weights": str(done.weights), "training": asdict(done.phase)}
        return _json({**found, **done.report.to_dict()})
    result(done.report.headline())
    result(f"source model: {done.weights} ({done.weights.stat().st_size / 2**20:.1f} MiB)")
    result(f"run: {done.run}")
    result(f"next: tlk fit photos/ --weights {_quoted(done.run)}")
    return None


def print_finetune(done: FinetuneResult, *, as_json: bool) -> None:
    if as_json:
        return _json(_finetune_json(done))
    before, after = done.val_before, done.val_after
    result(
        f"val accuracy {before.accuracy:.3f} -> {after.accuracy:.3f}, "
        f"loss {before.loss:.4f} -> {after.loss:.4f}"
    )
    if done.kept:
        was = done.before.evaluation.accuracy
        gain = done.after.evaluation.accuracy - was
        result("Fine-tuning helped on val; the run's model is the fine-tuned one.")
        result(f"{done.after.headline()}; it was {was:.3f} before ({gain:+.3f})")
    else:
        result(
            "Fine-tuning did not help on val (accuracy counts, then loss); the run keeps the model it had."
        )
        result(done.before.headline())
    result(f"run: {done.run}")
    return None


def print_resumed(done: Resumed | None, run: Path, *, as_json: bool) -> None:
    """Print what the command that was stopped would have printed."""
    from tl_keras.workflows.fit import FitResult
    from tl_keras.workflows.pretrain import PretrainResult

    if done is None:
        _json({"run": str(run), "finished": True}) if as_json else result(f"{run} is finished.")
    elif isinstance(done, FitResult):
        print_fit(done, as_json=as_json)
    elif isinstance(done, PretrainResult):
        print_pretrain(done, as_json=as_json)
    else:
        print_finetune(done, as_json=as_json)


def _finetune_json(done: FinetuneResult) -> dict[str, Any]:
    parts = ("val_before", "val_after", "before", "after")
    return {
        "run": str(done.run),
        "kept": done.kept,
        "training": asdict(done.phase),
        **{name: getattr(done, name).to_dict() for name in parts},
    }


def print_evaluation(done: EvaluateResult, *, as_json: bool) -> None:
    if as_json:
        return _json({"folder": str(done.folder), **done.report.to_dict()})
    found = done.report.evaluation
    result(done.report.headline())
    top5 = f", top-5 accuracy {found.top5:.3f}" if found.top5 is not None else ""
    result(f"loss {found.loss:.4f}{top5}")
    scores = (*found.classes, found.macro, found.weighted)
    table(("class", "precision", "recall", "F1", "images"), [_score_row(score) for score in scores])
    _print_confusion(found)
    result(f"written: {done.folder / 'metrics.json'}, {done.folder / 'predictions.csv'}")
    return None


def _score_row(score: ClassScore) -> tuple[str, ...]:
    return (score.name, f"{score.precision:.3f}", f"{score.recall:.3f}", f"{score.f1:.3f}", str(score.images))


def _print_confusion(found: Evaluation) -> None:
    if found.confusion is None:
        return
    names = [score.name for score in found.classes]
    if len(names) > MOST_CONFUSION_COLUMNS:
        _print_worst_confusions(names, found.confusion)
        return
    rows = [(name, *map(str, counts)) for name, counts in zip(names, found.confusion, strict=True)]
    table(("true \\ predicted", *names), rows, title="confusion matrix")


def _print_worst_confusions(names: list[str], counts: list[list[int]]) -> None:
    pairs = [
        (count, names[row], names[column])
        for row, line in enumerate(counts)
        for column, count in enumerate(line)
        if row != column and count
    ]
    pairs.sort(key=lambda pair: -pair[0])
    rows = [(true, predicted, str(count)) for count, true, predicted in pairs[:MOST_CONFUSION_COLUMNS]]
    table(("true", "predicted", "images"), rows, title="most frequent confusions (all are in metrics.json)")


def print_predictions(predictions: Iterable[Prediction], form: str) -> int:
    """Print the answers as `table`, `json` or `csv`; return how many images had none."""
    printers = {"table": _predictions_table, "json": _predictions_json, "csv": _predictions_csv}
    failed = 0

    def counted(advance: Callable[[int], None]) -> Iterable[Prediction]:
        nonlocal failed
        for prediction in predictions:
            failed += bool(prediction.error)
            advance(1)
            yield prediction

    on_one_terminal = form != "table" and sys.stdout.isatty()  # a bar would be torn apart by the answers
    with nullcontext(_silent) if on_one_terminal else progress("predicting", None) as advance:
        printers[form](counted(advance))
    if failed:
        warn(f"{failed} image{'s' if failed > 1 else ''} could not be read.")
    return failed


def _silent(_done: int) -> None:
    """Stand in for a progress bar."""


def _predictions_table(predictions: Iterable[Prediction]) -> None:
    rows = (
        (p.path, f"error: {p.error}" if p.error else "  ".join(map(_labelled, p.labels, p.scores)))
        for p in predictions
    )
    while page := list(itertools.islice(rows, TABLE_ROWS)):
        table(("image", "classes"), page)


def _labelled(label: str, score: float) -> str:
    return f"{label} {score:.3f}"


def _predictions_json(predictions: Iterable[Prediction]) -> None:
    for p in predictions:
        classes = [{"label": name, "score": value} for name, value in zip(p.labels, p.scores, strict=True)]
        answer: dict[str, Any] = {"error": p.error} if p.error else {"classes": classes}
        result(json.dumps({"path": p.path, **answer}, ensure_ascii=False))


def _predictions_csv(predictions: Iterable[Prediction]) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(("path", "rank", "label", "score", "error"))
    for p in predictions:
        if p.error:
            writer.writerow((p.path, "", "", "", p.error))
        for rank, (label, value) in enumerate(zip(p.labels, p.scores, strict=True), 1):
            writer.writerow((p.path, rank, label, f"{value:.6f}", ""))


def print_export(done: ExportResult, *, as_json: bool) -> None:
    if as_json:
        return _json({**asdict(done), "path": str(done.path)})
    found = done.agreement
    result(f"{done.path}  {done.megabytes:.1f} MB, converted in {done.seconds:.1f} s")
    result(
        f"agreement with the model on {found.n} val images: same answer on {found.same_top1:.1%} "
        f"({round(found.same_top1 * found.n)}), "
        f"largest difference of a probability {found.max_difference:.2g}"
    )
    if found.same_top1 < GOOD_AGREEMENT[done.quantize]:
        warn("that is less than expected of this format: look at it before you ship it.")
    return None


def print_runs(runs: list[RunSummary], runs_dir: Path, *, as_json: bool) -> None:
    if as_json:
        return _json([asdict(run) for run in runs])
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
        return _json([asdict(store) for store in stores])
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
        return _json([asdict(backbone) for backbone in backbones])
    columns = ("backbone", "size", "least", "features", "M weights", "source", "pixels", "options", "blocks")
    table(columns, [_backbone_row(backbone) for backbone in backbones])
    return None


def _backbone_row(b: Backbone) -> tuple[str, ...]:
    sizes = (str(b.default_size), str(b.min_size), str(b.features), f"{b.parameters / 1e6:.1f}")
    return (b.name, *sizes, b.source, b.preprocessing, " ".join(b.options), b.blocks.listed)


def print_backbone_costs(found: BackboneCosts, *, as_json: bool) -> None:
    if as_json:
        return _json(_costs_json(found))
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


def _json(value: Any) -> None:
    result(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def _quoted(path: Path) -> str:
    return shlex.quote(str(path))
