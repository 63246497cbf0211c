"""How an image of any shape becomes the model's input shape: plain numbers, no pixels."""

from __future__ import annotations

from dataclasses import dataclass

from tl_keras.core.types import Box, Resize


@dataclass(frozen=True, slots=True)
class Geometry:
    """The model's input size and how images are brought to it.

    Attributes:
        height: Pixels.
        width: Pixels.
        resize: `squash` ignores the aspect ratio; `crop` keeps it and cuts the longer side, centered;
            `pad` keeps it and fills the shorter side with black, centered.
        crop_fraction: For `crop`: the share of the largest possible crop that is kept, in (0, 1].
            224/256 = 0.875 is the field's "resize to 256, center crop 224".
    """

    height: int
    width: int
    resize: Resize = "squash"
    crop_fraction: float = 1.0

    def source_box(self, width: int, height: int) -> Box:
        """Return the part (left, top, right, bottom) of a `width` x `height` image that is used."""
        if self.resize != "crop":
            return (0.0, 0.0, float(width), float(height))
        scale = min(width / self.width, height / self.height) * self.crop_fraction
        used_width, used_height = self.width * scale, self.height * scale
        left, top = (width - used_width) / 2, (height - used_height) / 2
        return (left, top, left + used_width, top + used_height)

    def target_size(self, width: int, height: int) -> tuple[int, int]:
        """Return the (width, height) that the used part is scaled to; smaller than the input for `pad`."""
        if self.resize != "pad":
            return (self.width, self.height)
        scale = min(self.width / width, self.height / height)
        return (
            max(1, min(self.width, round(width * scale))),
            max(1, min(self.height, round(height * scale))),
        )
