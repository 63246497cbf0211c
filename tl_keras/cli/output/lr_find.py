"""The result of `tlk lr-find` -> stdout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tl_keras.cli.output.common import print_json
from tl_keras.core.console import escape_control, result

if TYPE_CHECKING:
    from tl_keras import LrFindResult


def print_lr_find(done: LrFindResult, settings: Sequence[str], *, as_json: bool) -> None:
    """Print the curve, the suggestion and what to do with it.

    Args:
        done: What was found.
        settings: The options that name the same settings to the command that fine-tunes.
        as_json: Print JSON instead.
    """
    if as_json:
        return print_json(done.to_dict(settings))
    for line in done.curve():
        result(line)
    result("")
    if done.suggestion.rate is None:
        result(f"No suggestion. {done.suggestion.reason}")
    else:
        result(f"suggested learning rate {done.suggestion.rate:.2g}: {done.suggestion.reason}")
    result(escape_control(f"written: {done.picture}, {done.table}"))
    command = done.next_command(settings)
    if command is not None:
        result(f"next: {command}")
    return None
