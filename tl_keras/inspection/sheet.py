"""A contact sheet of the worst findings, for people who would rather look."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from tl_keras.core.files import atomic_write
from tl_keras.core.geometry import Geometry
from tl_keras.data.findings import Finding, FindingKind
from tl_keras.data.images.decode import decode, read_bytes, upright_size
from tl_keras.data.listing import IMAGE_SUFFIXES
from tl_keras.errors import BadImage
from tl_keras.inspection.result import Inspection

SUFFIXES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
LONGEST = 200
COLUMNS, ROWS = 6, 4
"""Cells per line, and at most so many lines per kind."""
CELL, PICTURE, GAP, LINE, TITLE = 210, 160, 10, 17, 34
"""Pixels."""
PAPER, INK, FAINT, MISSING = (255, 255, 255), (20, 20, 20), (110, 110, 110), (225, 225, 225)
SEVERITY_INK = {"error": (180, 30, 30), "warning": (170, 100, 0), "note": (60, 60, 60)}


def save_sheet(inspection: Inspection, file: Path) -> bool:
    """Draw the findings about images, the worst of each kind, and their partners where they are copies.

    Args:
        inspection: What was found.
        file: A name with one of `SUFFIXES`.

    Returns:
        Whether there was anything to draw.
    """
    sections = [
        (same[0].kind, len(same), shown)
        for same in inspection.by_kind().values()
        if (shown := [finding for finding in same if _is_image(finding.path)][: COLUMNS * ROWS])
    ]
    if not sections:
        return False
    height = GAP + sum(TITLE + _lines(shown) * _cell_height() for _, _, shown in sections)
    sheet = Image.new("RGB", (GAP + COLUMNS * (CELL + GAP), height), PAPER)
    top = GAP
    for kind, count, shown in sections:
        _draw_title(sheet, top, kind, count)
        for number, finding in enumerate(shown):
            row, column = divmod(number, COLUMNS)
            _draw(sheet, (GAP + column * (CELL + GAP), top + TITLE + row * _cell_height()), finding)
        top += TITLE + _lines(shown) * _cell_height()
    with atomic_write(file) as aside:
        sheet.save(aside, SUFFIXES[file.suffix.lower()])
    return True


def _is_image(path: str) -> bool:
    return Path(path).suffix.lower() in IMAGE_SUFFIXES


def _lines(shown: Sequence[Finding]) -> int:
    return -(-len(shown) // COLUMNS)


def _cell_height() -> int:
    return PICTURE + 3 * LINE + GAP


def _draw_title(sheet: Image.Image, top: int, kind: FindingKind, count: int) -> None:
    draw = ImageDraw.Draw(sheet)
    text = f"{kind.severity}: {kind.title} ({count:,})"
    draw.text((GAP, top + 6), text, SEVERITY_INK[kind.severity], ImageFont.load_default(18))


def _draw(sheet: Image.Image, corner: tuple[int, int], finding: Finding) -> None:
    """Draw one cell: the picture, beside it what it is a copy of, and below it what was found."""
    left, top = corner
    paths = [finding.path, *([finding.other] if finding.other else [])]
    width = (CELL - 4 * (len(paths) - 1)) // len(paths)
    for number, path in enumerate(paths):
        sheet.paste(_picture(path, width), (left + number * (width + 4), top))
    label = f"{finding.label} -> {finding.suggestion}?" if finding.suggestion else finding.label
    where = f"{finding.split}: " if finding.split else ""
    name = Path(finding.path).name
    lines = ((f"{where}{label}", INK), (name, FAINT), (finding.detail or Path(finding.other).name, FAINT))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(13)
    for number, (text, ink) in enumerate(lines):
        draw.text((left, top + PICTURE + 2 + number * LINE), _cut(text, font), ink, font)


def _picture(path: str, width: int) -> Image.Image:
    """Return the whole image, fitted into a cell; gray if it cannot be read."""
    try:
        data = read_bytes(path)
        across, down = upright_size(data)
        scale = min(width / across, PICTURE / down)
        fitted = Geometry(max(1, round(down * scale)), max(1, round(across * scale)))
        picture = Image.fromarray(decode(data, fitted))
    except BadImage:
        return Image.new("RGB", (width, PICTURE), MISSING)
    cell = Image.new("RGB", (width, PICTURE), PAPER)
    cell.paste(picture)
    return cell


def _cut(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """Return the text, shortened to the width of a cell."""
    text = " ".join(text.split())[:LONGEST]
    if font.getlength(text) <= CELL:
        return text
    while text and font.getlength(f"{text}...") > CELL:
        text = text[:-1]
    return f"{text}..."
