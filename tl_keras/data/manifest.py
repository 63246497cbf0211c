"""manifest.csv of a run: every example with its split, content hash and, if left out, the reason."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from tl_keras.data.example import SPLITS, Example
from tl_keras.errors import RunError, SkipReason

COLUMNS = ["path", "label", "split", "sha256", "problem", "group"]


def to_csv(examples: Iterable[Example]) -> str:
    """Return the file's text: a header and one row per example."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)  # ends lines with \r\n: with \n alone it would not quote a path's \r
    writer.writerow(COLUMNS)
    writer.writerows((e.path, e.label, e.split, e.sha256, e.problem, e.group) for e in examples)
    return text.getvalue()


def from_csv(text: str) -> list[Example]:
    """Read what `to_csv` wrote.

    Raises:
        RunError: The text is damaged or something else.
    """
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise RunError(f"The run's manifest.csv is damaged: {error}.") from None
    if not rows or rows[0] != COLUMNS:
        found = ",".join(rows[0]) if rows else "an empty file"
        raise RunError(f"This is not a run's manifest.csv: expected {','.join(COLUMNS)}; found {found}.")
    return [_example(row, number) for number, row in enumerate(rows[1:], start=1)]


def _example(row: list[str], number: int) -> Example:
    if len(row) != len(COLUMNS):
        raise RunError(
            f"The run's manifest.csv is damaged: example {number} has {len(row)} fields, not {len(COLUMNS)}."
        )
    path, label, split, sha256, problem, group = row
    if split not in ("", *SPLITS):
        raise RunError(f"The run's manifest.csv is damaged: example {number} is in the split {split!r}.")
    return Example(path, label, split, sha256, *parse_problem(problem), group)


def parse_problem(problem: str) -> tuple[SkipReason | None, str]:
    """Return the reason and the detail of a sentence, as `Example.problem` makes it of them.

    A sentence that another version wrote counts as that of a file that cannot be read.
    """
    if not problem:
        return None, ""
    for reason in SkipReason:
        if problem.startswith(reason):
            return reason, problem.removeprefix(reason)
    return SkipReason.UNREADABLE, problem
