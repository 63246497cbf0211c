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
    seed: int,
    size: tuple[int, int] = (40, 32),
    color: tuple[int, int, int] = (128, 128, 128),
    blotch: int = 4,
) -> Image.Image:
    """Return an RGB image (width, height) of one colour with soft random blotches, distinct for each seed."""
    width, height = size
    rng = np.random.default_rng(seed)
    coarse = rng.integers(-90, 90, (max(1, height // blotch), max(1, width // blotch), 3))
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
    root: Path,
    classes: int = 2,
    per_class: int = 8,
    size: tuple[int, int] = (40, 32),
    seed: int = 0,
    blotch: int = 4,
) -> Path:
    """Write `root/<colour>/<colour>_<nn>.jpg` and return `root`; the colours tell the classes apart."""
    for number, (name, color) in enumerate(list(CLASS_COLORS.items())[:classes]):
        folder = root / name
        folder.mkdir(parents=True, exist_ok=True)
        for index in range(per_class):
            image = noisy_image(seed + 1000 * number + index, size, color, blotch)
            image.save(folder / f"{name}_{index:02d}.jpg", quality=90)
    return root


def split_folders(
    root: Path, counts: dict[str, int], classes: int = 2, size: tuple[int, int] = (40, 32), blotch: int = 4
) -> Path:
    """Write `root/<split>/<colour>/...` with that many images per class and split; return `root`."""
    for number, (split, per_class) in enumerate(counts.items()):
        class_folders(root / split, classes, per_class, size, 100_000 * (number + 1), blotch)
    return root


def spoiled(folder: Path) -> dict[str, str]:
    """Write one file of every kind that cannot be read, and return its name -> the kind of the finding."""
    good = encoded(noisy_image(77, (300, 200)))
    bomb = encoded(Image.new("1", (20_000, 20_000)), "PNG")
    made = {
        "empty.jpg": (b"", "empty_file"),
        "text.jpg": (b"this is not an image", "not_an_image"),
        "photo.tiff": (encoded(noisy_image(78), "TIFF"), "not_an_image"),
        "truncated.jpg": (good[: len(good) // 2], "damaged_file"),
        "truncated.png": (encoded(noisy_image(79), "PNG")[:-300], "damaged_file"),
        "truncated.webp": (encoded(noisy_image(80), "WEBP")[:-60], "damaged_file"),
        "truncated.gif": (encoded(noisy_image(81), "GIF")[:-300], "damaged_file"),
        "truncated.bmp": (encoded(noisy_image(82), "BMP")[:-900], "damaged_file"),
        "header.png": (encoded(noisy_image(83), "PNG")[:20], "damaged_file"),
        "bomb.png": (bomb, "too_large"),
    }
    for name, (content, _) in made.items():
        (folder / name).write_bytes(content)
    (folder / "broken_link.jpg").symlink_to(folder / "nothing")
    (folder / "loop.jpg").symlink_to(folder / "loop.jpg")
    kinds = {name: kind for name, (_, kind) in made.items()}
    return kinds | {"broken_link.jpg": "missing_file", "loop.jpg": "unreadable"}


def peculiar(folder: Path) -> dict[str, set[str]]:
    """Write readable images that are worth a remark, and return their names -> kinds of findings."""
    deep = (np.arange(40 * 32).reshape(32, 40) * 51).astype(np.uint16)
    palette, clear = noisy_image(90).quantize(16), noisy_image(91).convert("RGBA")
    clear.putalpha(100)
    moving: dict[str, Any] = {"save_all": True, "append_images": [noisy_image(93)]}
    made: dict[str, tuple[bytes, set[str]]] = {
        "really_a.png": (encoded(noisy_image(94)), {"wrong_extension"}),
        "cmyk.jpg": (encoded(noisy_image(95).convert("CMYK")), {"cmyk"}),
        "deep.png": (encoded(Image.fromarray(deep), "PNG"), {"deep"}),
        "palette.png": (encoded(palette, "PNG"), {"palette"}),
        "clear.png": (encoded(clear, "PNG"), {"alpha"}),
        "turned.jpg": (encoded(noisy_image(96), exif=exif(6)), {"rotated"}),
        "moving.gif": (encoded(noisy_image(89), "GIF", **moving), {"animated", "palette"}),
        "moving.webp": (encoded(noisy_image(92), "WEBP", **moving), {"animated"}),
        "moving.png": (encoded(noisy_image(88), "PNG", **moving), {"animated"}),
        "long.jpg": (encoded(noisy_image(97, (300, 30))), {"extreme_aspect"}),
        "one_pixel.png": (encoded(Image.new("RGB", (1, 1), (9, 9, 9)), "PNG"), {"far_too_small", "blank"}),
        "blank.png": (encoded(Image.new("RGB", (40, 32), (200, 10, 10)), "PNG"), {"blank"}),
    }  # fmt: skip
    for name, (content, _) in made.items():
        (folder / name).write_bytes(content)
    return {name: kinds for name, (_, kinds) in made.items()}
