"""What `tlk export` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tl_keras.cli.output.common import print_json
from tl_keras.core.console import result, warn

if TYPE_CHECKING:
    from tl_keras import ExportResult


def print_export(done: ExportResult, *, as_json: bool) -> None:
    if as_json:
        return print_json(done.to_dict())
    found = done.agreement
    result(f"{done.path}  {done.megabytes:.1f} MB, converted in {done.seconds:.1f} s")
    result(
        f"agreement with the model on {found.n} val images: same answer on {found.same_top1:.1%} "
        f"({round(found.same_top1 * found.n)}), "
        f"largest difference of a probability {found.max_difference:.2g}"
    )
    if not done.trustworthy:
        warn("that is less than expected of this format: look at it before you ship it.")
    return None
