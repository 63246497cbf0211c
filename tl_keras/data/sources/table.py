"""A manifest: a .csv or .tsv file with the columns path, label and perhaps split and group."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from tl_keras.core.types import Task
from tl_keras.core.wording import counted, did_you_mean, listed
from tl_keras.data.csv_table import read_csv
from tl_keras.data.example import LABEL_SEPARATOR, Example
from tl_keras.data.findings import Finding, FindingKind
from tl_keras.data.listing import absolute_text
from tl_keras.data.sources import finding_kinds as kinds
from tl_keras.data.sources.source import SPLIT_NAMES, ImageSource, joined_text
from tl_keras.errors import DataError

REQUIRED, OPTIONAL = ("path", "label"), ("split", "group")
SYNONYMS = {
    "path": [
        "filename",
        "file",
        "file_name",
        "filepath",
        "file_path",
        "image_path",
        "img_path",
        "image",
        "img",
        "image_id",
    ],
    "label": ["class", "class_name", "category", "target", "species", "tag", "labels"],
    "split": ["subset", "fold", "set", "partition"],
    "group": ["patient", "patient_id", "subject", "subject_id"],
}
"""Our columns -> what others call them, the likeliest first."""


class _Row(NamedTuple):
    """One line of the table; `number` is the line in the file, the header being line 1."""

    number: int
    path: str
    label: str
    split: str
    group: str


def read_table(file: Path, task: Task) -> ImageSource:
    """Read a manifest. Paths are absolute or relative to the manifest's folder; they are not opened.

    Rows that make no sense are left out, with a finding for each.

    Raises:
        DataError: Unreadable, a column is missing, or no rows.
    """
    table = read_csv(file)
    _require_columns(table.header, file.name)
    rows = [_Row(number, *cells) for number, cells in table.select(*REQUIRED, *OPTIONAL)]
    if not rows:
        raise DataError(f"{file.name} has a header but no rows.")
    reading = ManifestReader(file, task == "multilabel", any(row.split for row in rows))
    for row in rows:
        reading.take(row)
    examples = tuple(reading.kept.values())
    classes = {label for example in examples for label in example.labels}
    about_table = (
        *_unused_columns(table.header, file),
        *_ragged_rows(table.ragged(), file),
        *_repeated_rows(reading.repeated, file),
    )
    return ImageSource(examples, tuple(sorted(classes)), (*reading.findings, *about_table))


@dataclass
class ManifestReader:
    """Takes one row after the other; keeps the examples, and what is wrong with the rows.

    Attributes:
        file: The manifest.
        multilabel: Whether an image may have any number of classes.
        has_splits: Whether any row has a split: then all should.
        kept: Path -> example.
        findings: The errors so far.
        repeated: Lines that say nothing new.
    """

    file: Path
    multilabel: bool
    has_splits: bool
    kept: dict[str, Example] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    repeated: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._folder = str(self.file.parent)

    def take(self, row: _Row) -> None:
        if not row.path:
            self._error(kinds.EMPTY_PATHS, row, str(self.file), "the path is empty.")
            return
        path = absolute_text(row.path, self._folder)
        split = self._split(row, path) if self.has_splits else ""
        if self.multilabel:
            row = row._replace(label=sorted_labels(row.label))
        elif not self._has_one_label(row, path):
            return
        example = Example(path, row.label, split, group=row.group)
        known = self.kept.setdefault(path, example)
        if known is not example:
            self._again(row, example, known)

    def _error(self, kind: FindingKind, row: _Row, path: str, text: str) -> None:
        detail = f"{self.file.name}, line {row.number}: {text}"
        self.findings.append(Finding(kind, path, detail, row.label, row.split))

    def _split(self, row: _Row, path: str) -> str:
        if not row.split:
            text = (
                "the split is empty, but other rows have one.\n"
                "Give every row train, val or test, or leave the whole column out."
            )
            self._error(kinds.MISSING_SPLITS, row, path, text)
            return ""
        split = SPLIT_NAMES.get(row.split.lower(), "")
        if not split:
            near = did_you_mean(row.split, SPLIT_NAMES)
            text = f"expected train, val or test, found {row.split!r}.{near}"
            self._error(kinds.UNKNOWN_SPLITS, row, path, text)
        return split

    def _has_one_label(self, row: _Row, path: str) -> bool:
        if not row.label:
            self._error(kinds.EMPTY_LABELS, row, path, f"the label of {row.path!r} is empty.")
        elif LABEL_SEPARATOR in row.label:
            self._error(kinds.JOINED_CLASSES, row, path, joined_text(row.label))
        else:
            return True
        return False

    def _again(self, row: _Row, example: Example, known: Example) -> None:
        """Compare a row with an earlier one of the same image."""
        before = len(self.findings)
        if known.label != example.label:
            text = (
                f"{row.path!r} is labeled {example.label!r} here and {known.label!r} before.\n"
                f"Keep one; for several classes per image join them by {LABEL_SEPARATOR!r} "
                "and use --set data.task=multilabel."
            )
            self._error(kinds.CONFLICTING_LABELS, row, example.path, text)
        if known.split and example.split and known.split != example.split:
            text = f"{row.path!r} is in {example.split} here and in {known.split} before."
            self._error(kinds.CONFLICTING_SPLITS, row, example.path, text)
        if known.group and example.group and known.group != example.group:
            text = f"{row.path!r} is in the group {example.group!r} here and in {known.group!r} before."
            self._error(kinds.CONFLICTING_GROUPS, row, example.path, text)
        if len(self.findings) == before:
            self.repeated.append(row.number)
            self.kept[known.path] = replace(known, group=known.group or example.group)


def sorted_labels(label: str) -> str:
    """Return the same classes in order, without spaces, repeats and blanks."""
    labels = sorted({part.strip() for part in label.split(LABEL_SEPARATOR)} - {""})
    return LABEL_SEPARATOR.join(labels)


def _require_columns(header: list[str], name: str) -> None:
    missing = [column for column in REQUIRED if column not in header]
    if missing:
        raise DataError(
            f"{name} has no column {missing[0]!r}.{_guess(missing[0], header)}\n"
            "Expected the header path,label or path,label,split or path,label,split,group; "
            f"found {listed(header) or 'nothing'}."
        )


def _guess(column: str, header: list[str]) -> str:
    synonym = _synonym(column, header)
    if synonym:
        return f" Is {synonym!r} meant? Rename it to {column}."
    return did_you_mean(column, [name for name in header if name not in (*REQUIRED, *OPTIONAL)])


def _synonym(column: str, header: list[str]) -> str:
    """Return the name in the header that others use for this column of ours."""
    by_plain = {re.sub(r"[\s-]+", "_", name): name for name in header}
    return next((by_plain[name] for name in SYNONYMS[column] if name in by_plain), "")


def _unused_columns(header: list[str], file: Path) -> Iterator[Finding]:
    """Yield a finding for each column of ours that is not there although something like it is."""
    others = [name for name in header if name not in (*REQUIRED, *OPTIONAL)]
    for column in OPTIONAL:
        near = _synonym(column, others) or next((name for name in others if _is_near(name, column)), "")
        if near and column not in header:
            detail = (
                f"the column {near!r} is ignored; if it gives each image's {column}, rename it to {column}"
            )
            yield Finding(kinds.UNUSED_COLUMNS, str(file), detail)


def _is_near(name: str, column: str) -> bool:
    in_it = column in re.split(r"[\W_]+", name)
    return in_it or difflib.SequenceMatcher(None, name, column).ratio() >= 0.75


def _ragged_rows(lines: list[int], file: Path) -> Iterator[Finding]:
    if lines:
        have = "row has" if len(lines) == 1 else "rows have"
        detail = (
            f"{len(lines):,} {have} more cells than the header, which are ignored ({_lines(lines)}); "
            "a comma in a cell needs quotation marks around it"
        )
        yield Finding(kinds.RAGGED_ROWS, str(file), detail)


def _repeated_rows(lines: list[int], file: Path) -> Iterator[Finding]:
    if lines:
        detail = f"{counted(len(lines), 'repeated row')} ignored ({_lines(lines)})"
        yield Finding(kinds.REPEATED_ROWS, str(file), detail)


def _lines(numbers: list[int]) -> str:
    more = f" and {len(numbers) - 10:,} more" if len(numbers) > 10 else ""
    return f"line{'' if len(numbers) == 1 else 's'} {', '.join(map(str, numbers[:10]))}{more}"
