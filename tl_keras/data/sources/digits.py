"""scikit-learn's 1,797 handwritten digits: a data set that needs no download."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from tl_keras.core.cache_folder import build_once, cache_dir
from tl_keras.data.example import Example
from tl_keras.data.sources.source import ImageSource

BRIGHTEST = 16


def read_digits() -> ImageSource:
    """List the digits: 8x8 grayscale PNG files in the cache folder, classes `0` to `9`."""
    root = build_once(cache_dir() / "digits", _write)
    paths = sorted(root.glob("*/*.png"))
    examples = tuple(Example(str(path), path.parent.name) for path in paths)
    return ImageSource(examples, tuple(sorted({example.label for example in examples})))


def _write(root: Path) -> None:
    from sklearn.datasets import load_digits  # takes a second to import: only when needed

    images, labels = load_digits(return_X_y=True)
    pixels = np.round(images.reshape(-1, 8, 8) * 255 / BRIGHTEST).astype(np.uint8)
    for number, (image, label) in enumerate(zip(pixels, labels, strict=True)):
        folder = root / str(label)
        folder.mkdir(exist_ok=True)
        Image.fromarray(image).save(folder / f"{number:04d}.png")
