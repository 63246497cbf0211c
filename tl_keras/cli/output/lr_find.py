"""The result of `tlk lr-find` -> stdout."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tl_keras.core.console import escape_control, result

if TYPE_CHECKING:
    from tl_keras.workflows.lr_find import LrFindResult


def print_lr_find(done: LrFindResult, finetune: Sequence[str], *, as_json: bool) -> None:
    """Print the curve, the suggestion and what to do with it.

    Args:
        done: What was found.
        finetune: The command that fine-tunes with the same settings, without a learning rate.
        as_json: Print JSON instead.
    """
    rate = done.suggestion.rate
    command = None if rate is None else shlex.join([*finetune, "--learning-rate", f"{rate:.2g}"])
    if as_json:
        result(json.dumps({**done.to_dict(), "next": command}, ensure_ascii=False, indent=2))
        return
    from tl_keras.report.lr_curve import text_curve

    rates = [point.rate for point in done.points]
    for line in text_curve(rates, [point.smoothed for point in done.points], rate):
        result(line)
    result("")
    if rate is None:
        result(f"No suggestion. {done.suggestion.reason}")
    else:
        result(f"suggested learning rate {rate:.2g}: {done.suggestion.reason}")
    result(escape_control(f"written: {done.picture}, {done.table}"))
    if command is not None:
        result(f"next: {command}")
