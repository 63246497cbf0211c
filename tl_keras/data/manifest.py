"""manifest.csv of a run: every example with its split, content hash and, if left out, the reason."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import astuple, fields

from tl_keras.data.example import SPLITS, Example
from tl_keras.errors import RunError

COLUMNS = [field.name for field in fields(Example)]


def to_csv(examples: Iterable[Example]) -> str:
    """Return the file's text: a header and one row per example."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)  # ends lines with \r\n: with \n alone it would not quote a path's \r
    writer.writerow(COLUMNS)
    writer.writerows(astuple(example) for example in examples)
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
    example = Example(*row)
    if example.split not in ("", *SPLITS):
        raise RunError(
            f"The run's manifest.csv is damaged: example {number} is in the split {example.split!r}."
        )
    return example
