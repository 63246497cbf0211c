"""The result of `tlk inspect` -> stdout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tl_keras.cli.output.common import print_json
from tl_keras.core.console import escape_control, result, table
from tl_keras.core.wording import counted

if TYPE_CHECKING:
    from tl_keras import Finding, Inspection, InspectResult

EXAMPLES = 3
MOST_CLASSES = 20


def print_inspection(done: InspectResult, *, as_json: bool) -> None:
    """Print a summary: what, how many, three examples each, what it means, what `tlk fit` will do."""
    if as_json:
        return print_json(done.to_dict())
    found = done.inspection
    left = f", {found.readable:,} of them readable" if found.readable != found.images else ""
    classes = "class" if len(found.classes) == 1 else "classes"
    result(f"{found.data}: {found.images:,} images in {len(found.classes)} {classes}{left}")
    _print_classes(found.classes)
    for same in found.by_kind().values():
        _print_kind(same, found)
    _print_end(done)
    return None


def _print_classes(classes: Mapping[str, Mapping[str, int]]) -> None:
    splits = [name for name in ("", "train", "val", "test") if any(name in of for of in classes.values())]
    rows = [(label, *(str(counts.get(split, 0)) for split in splits)) for label, counts in classes.items()]
    table(("class", *(split or "images" for split in splits)), rows[:MOST_CLASSES])
    if len(rows) > MOST_CLASSES:
        result(f"... and {len(rows) - MOST_CLASSES} more classes")


def _print_kind(same: Sequence[Finding], found: Inspection) -> None:
    kind = same[0].kind
    result("")
    result(f"{kind.severity.upper()}  {kind.title} ({len(same):,})")
    for finding in same[:EXAMPLES]:
        result(f"    {_described(finding, found.data)}")
    if len(same) > EXAMPLES:
        result(f"    ... and {len(same) - EXAMPLES:,} more")
    result(f"  {kind.meaning} {kind.fit}")


def _described(finding: Finding, data: str) -> str:
    label = f" [{finding.label}]" if finding.label else ""
    other = f"  =  {_short(finding.other, data)}" if finding.other else ""
    detail = "  ".join(finding.detail.splitlines())
    place = _short(finding.path, data)
    return escape_control(f"{place}{label}{other}{f'  {detail}' if detail else ''}")


def _short(path: str, data: str) -> str:
    """Return a path without the part that all have in common."""
    root = Path(data).expanduser().absolute()
    root = root if root.is_dir() else root.parent
    return str(Path(path).relative_to(root)) if Path(path).is_relative_to(root) else path


def _print_end(done: InspectResult) -> None:
    counts = done.inspection.severities
    result("")
    if not counts:
        result(
            "Nothing found."
            if done.inspection.labels_checked
            else "Nothing found; --labels checks labels too."
        )
        return
    result(", ".join(counted(count, severity) for severity, count in counts.items()))
    if done.issues:
        result(f"every one of them is a row of: {done.issues}")
    if done.sheet:
        result(f"the worst of them, to look at: {done.sheet}")
