"""What a readable image file is and what it looks like: a small record, the same for the same bytes."""

from __future__ import annotations

from typing import Any

import imagehash
import numpy as np
import numpy.typing as npt
from PIL import Image

from tl_keras.core.geometry import Geometry
from tl_keras.data.images.decode import megapixels, open_image, pixels_of
from tl_keras.data.images.orientation import PNG_START, exif_orientation, swaps_sides
from tl_keras.errors import BadImage, SkipReason

FACTS_VERSION = 1
"""Changes whenever a record of the same file would."""
THUMBNAIL = 16
FACTS = np.dtype(
    [
        ("look", "<u8"),
        ("thumbnail", "u1", (THUMBNAIL, THUMBNAIL, 3)),
        ("width", "<u4"),
        ("height", "<u4"),
        ("format", "S4"),
        ("mode", "S8"),
        ("orientation", "u1"),
        ("animated", "?"),
        ("alpha", "?"),
        ("deep", "?"),
    ]
)
"""look: 64-bit perceptual hash (pHash: signs of low frequencies). thumbnail: RGB, squashed. width and height:
pixels, upright. format and mode: Pillow's names. orientation: EXIF, 1 to 8. deep: 16 bits per channel."""
Facts = npt.NDArray[Any]
"""An array of FACTS."""

_SMALL = Geometry(32, 32, "squash")
_PNG_DEPTH = 24
_BITS = 2 ** np.arange(63, -1, -1, dtype=np.uint64)


def facts_of(data: bytes, max_pixels: float) -> Any:
    """Return the record, one FACTS, of an encoded image; all of it is decoded, at a small size.

    Raises:
        BadImage: As for `decode`, or it has more than `max_pixels`.
    """
    orientation = exif_orientation(data)
    with open_image(data) as image:
        width, height = reversed(image.size) if swaps_sides(orientation) else image.size
        if width * height > max_pixels:
            raise BadImage(SkipReason.TOO_LARGE, megapixels(max_pixels))
        animated = image.format != "MPO" and _is_animated(image)  # an MPO is a photo with previews
        alpha = "transparency" in image.info or image.mode in ("RGBA", "LA", "PA", "RGBa", "La")
        deep = image.mode.startswith("I") or (data.startswith(PNG_START) and data[_PNG_DEPTH] == 16)
        name, mode = str(image.format), image.mode
        small = pixels_of(image, orientation, _SMALL)
    look = imagehash.phash(small).hash.ravel() @ _BITS
    thumbnail = np.asarray(small.reduce(_SMALL.width // THUMBNAIL))
    return np.array((look, thumbnail, width, height, name, mode, orientation, animated, alpha, deep), FACTS)


def _is_animated(image: Image.Image) -> bool:
    try:
        return bool(getattr(image, "is_animated", False))
    except Exception:  # what follows the first frame is damaged: that frame is all that is used
        return True
