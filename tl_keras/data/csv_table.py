"""Tables that people made in an editor, a script or Excel: .csv and .tsv files with a header."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tl_keras.errors import DataError

DELIMITERS = ",;\t"
ADVICE = "Save it as UTF-8 text; in Excel that is `CSV UTF-8`."


@dataclass(frozen=True, slots=True)
class CsvTable:
    """A table's text, cut into cells.

    Attributes:
        name: The file's name, for messages.
        header: Names of the columns, in lower case, without spaces around them.
        rows: Line number (of the first line, if a cell has line breaks) and cells; no blank rows.
    """

    name: str
    header: list[str]
    rows: list[tuple[int, list[str]]]

    def select(self, *columns: str) -> Iterator[tuple[int, list[str]]]:
        """Return line numbers and the stripped cells of these columns, empty where there is none.

        Raises:
            DataError: The header names one of them twice.
        """
        for column in columns:
            if self.header.count(column) > 1:
                raise DataError(f"{self.name}: the header has the column {column!r} twice. Remove one.")
        places = [self.header.index(column) if column in self.header else None for column in columns]
        return ((number, [_cell(cells, place) for place in places]) for number, cells in self.rows)

    def ragged(self) -> list[int]:
        """Return the lines of rows with something beyond the header's last column."""
        width = len(self.header)
        return [
            number for number, cells in self.rows if len(cells) > width and "".join(cells[width:]).strip()
        ]


def read_csv(file: Path) -> CsvTable:
    """Read a table: commas, semicolons or tabs; UTF-8, or UTF-16 as Excel's `Unicode Text`.

    Raises:
        DataError: It cannot be opened, is no text, or its quotation marks do not match.
    """
    rows = _rows(_text(file), file.name)
    header = [cell.strip().lower() for cell in rows[0][1]] if rows else []
    return CsvTable(file.name, header, rows[1:])


def _cell(cells: list[str], place: int | None) -> str:
    return cells[place].strip() if place is not None and place < len(cells) else ""


def _text(file: Path) -> str:
    try:
        data = file.read_bytes()
    except OSError as error:
        raise DataError(f"Cannot read {file}: {error.strerror}.") from None
    marked = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    encoding, title = ("utf-16", "UTF-16") if marked else ("utf-8-sig", "UTF-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        offset = len(data) - len(error.object) + error.start  # a mark at the start may be cut off
        line = data[:offset].decode(encoding, "ignore").count("\n") + 1
        raise DataError(
            f"{file} is not {title} text: line {line} has the byte 0x{data[offset]:02x} at offset {offset}."
            f"\n{ADVICE}"
        ) from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise DataError(
            f"{file.name}, line {line}: there is a NUL byte, so this is no text, or UTF-16 without its mark."
            f"\n{ADVICE}"
        )
    return text


def _rows(text: str, name: str) -> list[tuple[int, list[str]]]:
    header_line = re.split(r"[\r\n]", text.lstrip("\r\n"), maxsplit=1)[0]
    delimiter = max(DELIMITERS, key=header_line.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows, line = [], 1
    try:
        for cells in reader:
            if "".join(cells).strip():
                rows.append((line, cells))
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{name}, line {line}: {_reason(str(error))}.") from None
    return rows


def _reason(error: str) -> str:
    """Say in plain words what the csv module found."""
    if "end of data" in error:
        return "a quotation mark is opened here and never closed"
    if "expected after" in error:
        return "text follows a closing quotation mark; write marks inside a quoted cell twice"
    if "field limit" in error:
        return f"a cell has more than {csv.field_size_limit():,} characters; is a quotation mark not closed?"
    return error
