"""A manifest: a .csv or .tsv file with the columns path, label and perhaps split."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tl_keras.data.example import LABEL_SEPARATOR, Example
from tl_keras.data.files import absolute
from tl_keras.data.sources.source import SPLIT_NAMES, Source, counted, forbid_separator, listed
from tl_keras.errors import DataError, did_you_mean
from tl_keras.model_info import Task

COLUMNS = ("path", "label")
DELIMITERS = ",;\t"


@dataclass(frozen=True, slots=True)
class _Row:
    """One line of the table; `number` is the line in the file, the header being line 1."""

    number: int
    path: str
    label: str
    split: str


def read_table(file: Path, task: Task) -> Source:
    """Read a manifest. Paths are absolute or relative to the manifest's folder; they are not opened.

    Raises:
        DataError: Unreadable, a column is missing, or a row that makes no sense, with its line number.
    """
    rows = _rows(_text(file), file.name)
    _require_all_or_no_splits(rows, file.name)
    rows = [_with_sorted_labels(row) for row in rows] if task == "multilabel" else rows
    if task == "multiclass":
        _require_labels(rows, file.name)
        forbid_separator({row.label for row in rows}, file.name)
    examples = [Example(_absolute(row.path, file.parent), row.label, _split(row, file.name)) for row in rows]
    kept = _without_repeats(examples, rows, file.name)
    classes = tuple(sorted({label for example in kept for label in example.labels}))
    repeats = len(examples) - len(kept)
    return Source(tuple(kept), classes, (f"{counted(repeats, 'repeated row')} ignored",) if repeats else ())


def _text(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{file} is not UTF-8 text. Save it as `CSV UTF-8`.") from None
    except OSError as error:
        raise DataError(f"Cannot read {file}: {error.strerror}.") from None


def _rows(text: str, name: str) -> list[_Row]:
    header_line = text.partition("\n")[0]
    delimiter = max(DELIMITERS, key=header_line.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        header = [cell.strip().lower() for cell in next(reader, [])]
        _require_columns(header, name)
        rows = []
        for cells in reader:
            if any(cell.strip() for cell in cells):
                row = dict(zip(header, (cell.strip() for cell in cells), strict=False))
                rows.append(
                    _Row(reader.line_num, row.get("path", ""), row.get("label", ""), row.get("split", ""))
                )
    except csv.Error as error:
        raise DataError(f"{name}, line {reader.line_num}: {error}.") from None
    if not rows:
        raise DataError(f"{name} has a header but no rows.")
    missing = [row.number for row in rows if not row.path]
    if missing:
        raise DataError(f"{name}, line {missing[0]}: the path is empty.")
    return rows


def _require_columns(header: list[str], name: str) -> None:
    missing = [column for column in COLUMNS if column not in header]
    if missing:
        raise DataError(
            f"{name} has no column {missing[0]!r}.{did_you_mean(missing[0], header)}\n"
            f"Expected the header path,label or path,label,split; found {listed(header) or 'nothing'}."
        )


def _require_all_or_no_splits(rows: list[_Row], name: str) -> None:
    blank = [row for row in rows if not row.split]
    if blank and len(blank) < len(rows):
        raise DataError(
            f"{name}, line {blank[0].number}: the split is empty, but other rows have one.\n"
            "Give every row train, val or test, or leave the whole column out."
        )


def _require_labels(rows: list[_Row], name: str) -> None:
    for row in rows:
        if not row.label:
            raise DataError(f"{name}, line {row.number}: the label of {row.path!r} is empty.")


def _with_sorted_labels(row: _Row) -> _Row:
    labels = sorted({label.strip() for label in row.label.split(LABEL_SEPARATOR)} - {""})
    return _Row(row.number, row.path, LABEL_SEPARATOR.join(labels), row.split)


def _split(row: _Row, name: str) -> str:
    if not row.split:
        return ""
    split = SPLIT_NAMES.get(row.split.lower())
    if split is None:
        near = did_you_mean(row.split, SPLIT_NAMES)
        raise DataError(f"{name}, line {row.number}: expected train, val or test, found {row.split!r}.{near}")
    return split


def _absolute(path: str, folder: Path) -> str:
    return str(absolute(path, folder))


def _without_repeats(examples: Iterable[Example], rows: Iterable[_Row], name: str) -> list[Example]:
    """Keep one of equal rows; refuse a path with two labels or two splits."""
    kept: dict[str, Example] = {}
    for example, row in zip(examples, rows, strict=True):
        known = kept.setdefault(example.path, example)
        if known.label != example.label:
            raise DataError(
                f"{name}, line {row.number}: {row.path!r} is labelled {example.label!r} here and "
                f"{known.label!r} before.\nKeep one; for several classes per image join them by "
                f"{LABEL_SEPARATOR!r} and use --set data.task=multilabel."
            )
        if known.split != example.split:
            raise DataError(
                f"{name}, line {row.number}: {row.path!r} is in {example.split} here "
                f"and in {known.split} before."
            )
    return list(kept.values())
