"""Real tiny images and folders of them, the same on every run."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

CLASS_COLORS = {
    "red": (200, 50, 40),
    "green": (40, 180, 60),
    "blue": (50, 70, 210),
    "yellow": (210, 200, 50),
    "grey": (120, 120, 120),
}
"""Class names, in the order in which `class_folders` uses them, and what their images look like."""


def noisy_image(
    seed: int, size: tuple[int, int] = (40, 32), color: tuple[int, int, int] = (128, 128, 128)
) -> Image.Image:
    """Return an RGB image (width, height) of one colour with soft random blotches, distinct for each seed."""
    width, height = size
    rng = np.random.default_rng(seed)
    coarse = rng.integers(-90, 90, (max(1, height // 4), max(1, width // 4), 3))
    pixels = np.clip(np.array(color) + coarse, 0, 255).astype(np.uint8)
    return Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC)


def encoded(image: Image.Image, format: str = "JPEG", **options: Any) -> bytes:
    """Return an image file's bytes."""
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def exif(orientation: int, order: str = "<") -> bytes:
    """Return an EXIF block that holds nothing but the orientation; `order` is `<` or `>`."""
    block = Image.Exif()
    block.endian = order
    block[0x0112] = orientation
    return block.tobytes()


def class_folders(
    root: Path, classes: int = 2, per_class: int = 8, size: tuple[int, int] = (40, 32), seed: int = 0
) -> Path:
    """Write `root/<colour>/<colour>_<nn>.jpg` and return `root`; the colours tell the classes apart."""
    for number, (name, color) in enumerate(list(CLASS_COLORS.items())[:classes]):
        folder = root / name
        folder.mkdir(parents=True, exist_ok=True)
        for index in range(per_class):
            image = noisy_image(seed + 1000 * number + index, size, color)
            image.save(folder / f"{name}_{index:02d}.jpg", quality=90)
    return root


def split_folders(
    root: Path, counts: dict[str, int], classes: int = 2, size: tuple[int, int] = (40, 32)
) -> Path:
    """Write `root/<split>/<colour>/...` with that many images per class and split; return `root`."""
    for number, (split, per_class) in enumerate(counts.items()):
        class_folders(root / split, classes, per_class, size, seed=100_000 * (number + 1))
    return root
