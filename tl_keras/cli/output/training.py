"""What `tlk fit`, `pretrain`, `unfreeze-and-finetune` and `resume` print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import tl_keras
from tl_keras.cli.output.common import print_json, quoted
from tl_keras.core.console import result, warn
from tl_keras.core.wording import counted

if TYPE_CHECKING:
    from tl_keras import EvaluationRecord, FinetuneResult, FitResult, PretrainResult

WIDE = 0.2
"""Of a confidence interval of an accuracy: with 10 points to either side, it says little."""


def print_fit(done: FitResult, *, as_json: bool) -> None:
    if as_json:
        return print_json(done.to_dict())
    result(done.report.headline())
    _note_few_images(done.report)
    if done.report.transfer:
        result(done.report.transfer.describe())
    result(f"run: {done.run}")
    result(f"next: tlk unfreeze-and-finetune {quoted(done.run)}")
    return None


def _note_few_images(report: EvaluationRecord) -> None:
    low, high = report.evaluation.interval
    if high - low > WIDE:
        warn(
            f"only {counted(report.evaluation.images, 'image')} tested, so the accuracy may be anywhere "
            f"from {low:.2f} to {high:.2f}. More images narrow that; where the data have no test images of "
            "their own, so does --cross-validate 5, which tests on every image."
        )


def print_pretrain(done: PretrainResult, *, as_json: bool) -> None:
    if as_json:
        return print_json(done.to_dict())
    result(done.report.headline())
    result(f"source model: {done.weights} ({done.weights.stat().st_size / 2**20:.1f} MiB)")
    result(f"run: {done.run}")
    result(f"next: tlk fit photos/ --weights {quoted(done.run)}")
    return None


def print_finetune(done: FinetuneResult, *, as_json: bool) -> None:
    if as_json:
        return print_json(done.to_dict())
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
        result("A lower --learning-rate may help, or a smaller part of the network in --unfreeze.")
    result(f"run: {done.run}")
    result(f"next: tlk export {quoted(done.run)} --format tflite")
    return None


def print_resumed(
    done: FitResult | PretrainResult | FinetuneResult | None, run: Path, *, as_json: bool
) -> None:
    """Print what the command that was stopped would have printed."""
    if done is None:
        print_json({"run": str(run), "finished": True}) if as_json else result(f"{run} is finished.")
    elif isinstance(done, tl_keras.FitResult):
        print_fit(done, as_json=as_json)
    elif isinstance(done, tl_keras.PretrainResult):
        print_pretrain(done, as_json=as_json)
    else:
        print_finetune(done, as_json=as_json)
