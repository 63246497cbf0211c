"""The EXIF orientation of an encoded image, read from its bytes.

`decode_graph` does the same in TensorFlow operations, step by step; change both or neither.
"""

from __future__ import annotations

JPEG_START = b"\xff\xd8\xff"
PNG_START = b"\x89PNG\r\n\x1a\n"
EXIF_HEADER = b"Exif\0\0"
ORIENTATION_TAG = 0x0112
SHORT = 3
APP1, START_OF_SCAN, END_OF_IMAGE, FILL = 0xE1, 0xDA, 0xD9, 0xFF
SMALL = 65_536
MAX_BLOCKS = 4096
"""A hostile file may hold millions of empty blocks: look no further than this."""


def exif_orientation(data: bytes) -> int:
    """Return the orientation, 1 to 8, of a JPEG, PNG or WebP file; 1 where none can be read."""
    start = _exif_start(data)
    return _tiff_orientation(data[start:]) if start else 1


def swaps_sides(orientation: int) -> bool:
    """Tell whether width and height change places when the image is turned upright."""
    return orientation >= 5


def _exif_start(data: bytes) -> int:
    """Return where the EXIF block (a small TIFF file) begins, or 0."""
    if data.startswith(JPEG_START):
        if len(data) < SMALL and EXIF_HEADER not in data:
            return 0  # most have none, and to look for the word is faster than block by block
        return _exif_in_jpeg(data)
    if data.startswith(PNG_START):
        return _exif_in_png(data)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return _exif_in_webp(data)
    return 0


def _exif_in_jpeg(data: bytes) -> int:
    at = 2
    for _ in range(MAX_BLOCKS):
        if _number(data, at, 1) != FILL:
            return 0
        marker = _number(data, at + 1, 1)
        if marker in (START_OF_SCAN, END_OF_IMAGE):
            return 0
        if marker == APP1 and data[at + 4 : at + 10] == EXIF_HEADER:
            return at + 10
        at += 1 if marker == FILL else 2 + _number(data, at + 2, 2)
    return 0


def _exif_in_png(data: bytes) -> int:
    at = len(PNG_START)
    for _ in range(MAX_BLOCKS):
        if at >= len(data):
            return 0
        if data[at + 4 : at + 8] == b"eXIf":
            return at + 8
        at += 12 + _number(data, at, 4)
    return 0


def _exif_in_webp(data: bytes) -> int:
    at = 12
    for _ in range(MAX_BLOCKS):
        if at >= len(data):
            return 0
        if data[at : at + 4] == b"EXIF":
            has_header = data[at + 8 : at + 14] == EXIF_HEADER
            return at + (14 if has_header else 8)
        size = _number(data, at + 4, 4, "little")
        at += 8 + size + size % 2
    return 0


def _tiff_orientation(tiff: bytes) -> int:
    """Find the tag in the first directory of 12-byte entries: tag, type, count, value."""
    order = {b"II": "little", b"MM": "big"}.get(tiff[:2])
    if order is None or _number(tiff, 2, 2, order) != 42:
        return 1
    directory = _number(tiff, 4, 4, order)
    for entry in range(_number(tiff, directory, 2, order)):
        at = directory + 2 + 12 * entry
        if _number(tiff, at, 2, order) == ORIENTATION_TAG and _number(tiff, at + 2, 2, order) == SHORT:
            value = _number(tiff, at + 8, 2, order)
            return value if 1 <= value <= 8 else 1
    return 1


def _number(data: bytes, at: int, size: int, order: str = "big") -> int:
    """Read an unsigned number; bytes past the end count as 0, as in the TensorFlow twin."""
    return int.from_bytes(data[at : at + size].ljust(size, b"\0"), order)  # type: ignore[arg-type]
