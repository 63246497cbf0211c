"""Files of every format, and what can happen to them."""

from __future__ import annotations

import numpy as np
from PIL import Image

from tests.images import encoded, exif, noisy_image


def whole_files() -> dict[str, bytes]:
    """Return a small valid file of every kind."""
    image, other = noisy_image(1, (48, 36)), noisy_image(2, (48, 36))
    deep = Image.fromarray((np.arange(48 * 36).reshape(36, 48) * 37).astype(np.uint16))
    moving = {"save_all": True, "append_images": [other]}
    return {
        "baseline.jpg": encoded(image, exif=exif(6)),
        "progressive.jpg": encoded(image, progressive=True),
        "cmyk.jpg": encoded(image.convert("CMYK")),
        "grey.jpg": encoded(image.convert("L")),
        "many.jpg": encoded(image, "MPO", **moving),
        "rgb.png": encoded(image, "PNG"),
        "deep.png": encoded(deep, "PNG"),
        "palette.png": encoded(image.quantize(16), "PNG", transparency=3),
        "alpha.png": encoded(image.convert("RGBA"), "PNG"),
        "moving.png": encoded(image, "PNG", **moving),
        "moving.gif": encoded(image, "GIF", **moving),
        "rgb.bmp": encoded(image, "BMP"),
        "lossy.webp": encoded(image, "WEBP"),
        "lossless.webp": encoded(image.convert("RGBA"), "WEBP", lossless=True),
        "moving.webp": encoded(image, "WEBP", **moving),
    }


def damaged(whole: bytes, rng: np.random.Generator) -> bytes:
    """Return the bytes after one to four accidents."""
    data = bytearray(whole)
    for _ in range(rng.integers(1, 5)):
        if len(data) >= 8:
            _ACCIDENTS[int(rng.integers(0, len(_ACCIDENTS)))](data, rng)
    return bytes(data)


def _flip(data: bytearray, rng: np.random.Generator) -> None:
    data[int(rng.integers(0, len(data)))] ^= 1 << int(rng.integers(0, 8))


def _change_header(data: bytearray, rng: np.random.Generator) -> None:
    data[int(rng.integers(0, min(64, len(data))))] = int(rng.integers(0, 256))


def _extreme_number(data: bytearray, rng: np.random.Generator) -> None:
    place = int(rng.integers(0, min(64, len(data) - 4)))
    data[place : place + 4] = rng.choice([b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\1\1\1\1"])


def _cut(data: bytearray, rng: np.random.Generator) -> None:
    del data[int(rng.integers(0, len(data))) :]


def _lose(data: bytearray, rng: np.random.Generator) -> None:
    start, end = _part(data, rng)
    del data[start:end]


def _repeat(data: bytearray, rng: np.random.Generator) -> None:
    start, end = _part(data, rng)
    data[start:start] = data[start:end]


def _overwrite(data: bytearray, rng: np.random.Generator) -> None:
    start, end = _part(data, rng)
    data[start:end] = rng.bytes(end - start)


def _part(data: bytearray, rng: np.random.Generator) -> tuple[int, int]:
    start, end = sorted(int(place) for place in rng.integers(0, len(data), 2))
    return start, end


_ACCIDENTS = (_flip, _change_header, _extreme_number, _cut, _lose, _repeat, _overwrite)
