"""The one function that turns an image file into the model's input tensor.

Training, evaluation and prediction call `decode`; `decode_graph` is the same, to the bit, in TensorFlow
operations for served models.
"""

from __future__ import annotations

import errno
import io
import os
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import PIL
from PIL import (  # the plugins enter themselves into Image.OPEN
    BmpImagePlugin,  # noqa: F401
    GifImagePlugin,  # noqa: F401
    Image,
    ImageFile,
    JpegImagePlugin,  # noqa: F401
    PngImagePlugin,  # noqa: F401
    WebPImagePlugin,  # noqa: F401
)
from PIL.Image import Resampling, Transpose

from tl_keras.core.geometry import Geometry
from tl_keras.core.types import Box
from tl_keras.data.images.orientation import exif_orientation, swaps_sides
from tl_keras.data.images.silence import PillowSilence
from tl_keras.errors import BadImage, DataError, SkipReason

DECODING = f"1, Pillow {PIL.__version__}"
"""Changes whenever the pixels of any file would."""
FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WEBP")
MAX_PIXELS = 200_000_000
MAX_BYTES = 2**30
MAX_SIDE = 65_535
"""What JPEG and GIF can hold. `_resize` makes an image as wide as the model's input before it touches the
height: a PNG file of 1 x 100 million pixels, small on disk and decoded, would take gigabytes on the way."""
OUR_LIMITS = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
"""Errors that say nothing about the file."""
DRAFT_RATIOS = (8, 4, 2)
_SILENCE = PillowSilence()
_PREFIX = 16
_NOT_OF_THIS_FORMAT = (SyntaxError, IndexError, TypeError, struct.error)
"""What Pillow's readers raise at a header that is none of theirs."""
_UPRIGHT = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}


def decode(source: Path | str | bytes, geometry: Geometry, box: Box | None = None) -> np.ndarray:
    """Decode an image, turn it upright and scale it to the model's input size.

    Args:
        source: A file's path or its bytes: JPEG, PNG, BMP, GIF or WebP (the first frame of animations).
        geometry: Input size in pixels and how images are brought to it.
        box: The part to use (left, top, right, bottom), pixels of the upright image; it fills the whole
            input. None leaves the choice to `geometry`.

    Returns:
        uint8 RGB [height, width, 3], 0 to 255.

    Raises:
        BadImage: With the reason: unreadable file, another format, damaged, or too large.
    """
    data = source if isinstance(source, bytes) else read_bytes(source)
    with open_image(data) as image:
        return np.array(pixels_of(image, exif_orientation(data), geometry, box))


@contextmanager
def open_image(data: bytes) -> Iterator[Image.Image]:
    """Yield an encoded image of which only the header is read; in the block it may be decoded.

    Raises:
        BadImage: As for `decode`, whatever goes wrong in the block.
    """
    if not data:
        raise BadImage(SkipReason.EMPTY)
    try:
        with _SILENCE, _identify(data) as image:
            _refuse_huge(image)
            yield image
    except BadImage:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise BadImage(SkipReason.TOO_LARGE, megapixels(_pillows_limit())) from None
    except MemoryError:  # no fault of the file: it is not damaged
        raise BadImage(SkipReason.UNREADABLE, "not enough memory") from None
    except Exception as error:  # damaged files raise anything: SyntaxError, struct.error, zlib.error, ...
        raise BadImage(SkipReason.DAMAGED, str(error).partition("\n")[0] or type(error).__name__) from None


def _identify(data: bytes) -> ImageFile.ImageFile:
    """Read an image's header as `Image.open` does, but for its check of the size.

    That check warns, and goes by a limit of the whole process, which is not ours to change; see MAX_PIXELS.
    """
    for name in FORMATS:
        factory, accepts = Image.OPEN[name]
        if accepts is None or accepts(data[:_PREFIX]) is True:
            with suppress(*_NOT_OF_THIS_FORMAT):
                return factory(io.BytesIO(data), "")
    raise BadImage(SkipReason.NOT_AN_IMAGE)


def _pillows_limit() -> int:
    """Return the pixels above which Pillow's readers of WebP and GIF refuse, or we do if that is less."""
    return min(MAX_PIXELS, 2 * (Image.MAX_IMAGE_PIXELS or MAX_PIXELS))


def _refuse_huge(image: Image.Image) -> None:
    if image.width * image.height > MAX_PIXELS:
        raise BadImage(SkipReason.TOO_LARGE, megapixels(MAX_PIXELS))
    if max(image.size) > MAX_SIDE:
        raise BadImage(SkipReason.TOO_LARGE, f"{MAX_SIDE:,} pixels a side")


def megapixels(pixels: float) -> str:
    """Return a number of pixels in words."""
    return f"{pixels / 1e6:g} megapixels"


def upright_size(data: bytes) -> tuple[int, int]:
    """Return (width, height) in pixels of an encoded image as seen upright, from its header alone.

    Raises:
        BadImage: As for `decode`.
    """
    with open_image(data) as image:
        width, height = image.size
    return (height, width) if swaps_sides(exif_orientation(data)) else (width, height)


def read_bytes(path: Path | str) -> bytes:
    """Return a file's bytes.

    Raises:
        BadImage: With the reason why it cannot be read.
    """
    try:
        about = os.stat(path)
        if not stat.S_ISREG(about.st_mode) and not stat.S_ISDIR(about.st_mode):
            raise BadImage(SkipReason.UNREADABLE, "neither a file nor a folder")  # a pipe would block
        if about.st_size > MAX_BYTES:
            raise BadImage(SkipReason.TOO_LARGE, f"{MAX_BYTES / 2**20:.0f} MiB")
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        raise BadImage(SkipReason.MISSING) from None
    except PermissionError:
        raise BadImage(SkipReason.NO_PERMISSION) from None
    except IsADirectoryError:
        raise BadImage(SkipReason.FOLDER) from None
    except (OSError, ValueError) as error:
        if getattr(error, "errno", None) in OUR_LIMITS:
            raise
        raise BadImage(SkipReason.UNREADABLE, getattr(error, "strerror", None) or str(error)) from None


def broken_since(path: str, reason: str) -> DataError:
    """Return the error for an image that could be read when it was checked, and cannot any more."""
    return DataError(f"{path} was readable when it was checked, and is not any more: {reason}.")


def pixels_of(
    image: Image.Image, orientation: int, geometry: Geometry, box: Box | None = None
) -> Image.Image:
    """Decode an opened image as `decode` does; `orientation` is its EXIF orientation."""
    width, height = reversed(image.size) if swaps_sides(orientation) else image.size
    target = (geometry.width, geometry.height) if box else geometry.target_size(width, height)
    used = _within(box or geometry.source_box(width, height), width, height)
    ratio = _draft_ratio(used, target) if image.format in ("JPEG", "MPO") else 1
    if ratio > 1:
        image.draft(None, (image.width // ratio, image.height // ratio))
    upright = _turn(_to_rgb(image), orientation)
    left, top, right, bottom = (edge / ratio for edge in used)
    return _pad(_resize(upright, (left, top, right, bottom), target), geometry)


def _within(box: Box, width: int, height: int) -> Box:
    """Cut off what rounding errors put outside the image, which Pillow would refuse."""
    left, top, right, bottom = box
    return (max(left, 0.0), max(top, 0.0), min(right, float(width)), min(bottom, float(height)))


def _draft_ratio(used: Box, target: tuple[int, int]) -> int:
    """Return by how much the JPEG decoder may shrink: twice the target must remain for a clean resize."""
    left, top, right, bottom = used
    for ratio in DRAFT_RATIOS:
        if right - left >= 2 * ratio * target[0] and bottom - top >= 2 * ratio * target[1]:
            return ratio
    return 1


def _to_rgb(image: Image.Image) -> Image.Image:
    """Decode the pixels and make them RGB: alpha is dropped, of 16 bits the upper 8 are kept."""
    image.load()
    image.info.pop("transparency", None)  # would be turned into an alpha channel, with a warning
    if image.mode.startswith("I"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode == "CMYK":
        return _cmyk_to_rgb(image)
    return image if image.mode == "RGB" else image.convert("RGB")


def _cmyk_to_rgb(image: Image.Image) -> Image.Image:
    """Convert as TensorFlow does: Adobe's files store ink inverted, others do not.

    Pillow takes all for Adobe's, and rounds otherwise.
    """
    ink = np.asarray(image).astype(np.uint16)
    light = 255 - ink if "adobe" in image.info else ink
    return Image.fromarray((light[..., :3] * light[..., 3:] // 255).astype(np.uint8))


def _resize(image: Image.Image, box: Box, target: tuple[int, int]) -> Image.Image:
    """Scale the box to the target, antialiased.

    In two steps because each axis is rounded to 8 bits, and which one Pillow takes first depends on the
    sizes and on its version.
    """
    left, top, right, bottom = box
    if image.size == target and box == (0, 0, *target):
        return image
    wide = image.resize((target[0], image.height), Resampling.BILINEAR, box=(left, 0, right, image.height))
    return wide.resize(target, Resampling.BILINEAR, box=(0, top, target[0], bottom))


def _turn(image: Image.Image, orientation: int) -> Image.Image:
    return image.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else image


def _pad(image: Image.Image, geometry: Geometry) -> Image.Image:
    """Center an image on black where it does not fill the model's input."""
    if image.size == (geometry.width, geometry.height):
        return image
    canvas = Image.new("RGB", (geometry.width, geometry.height))
    canvas.paste(image, ((geometry.width - image.width) // 2, (geometry.height - image.height) // 2))
    return canvas
