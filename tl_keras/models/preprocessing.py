"""The scaling of pixels that each backbone was trained with, as layers inside the model."""

from __future__ import annotations

import keras

from tl_keras.models.backbones import Preprocessing

PREPROCESSING = 1
"""Changes whenever the same mode would scale pixels in another way."""

# Of ImageNet, as keras.applications has them: RGB on the scale 0..1, and BGR on the scale 0..255.
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_MEAN_BGR = (103.939, 116.779, 123.68)


def preprocess(pixels: keras.KerasTensor, mode: Preprocessing) -> keras.KerasTensor:
    """Scale RGB `pixels`, uint8 [batch, H, W, 3] in 0..255, to float32 as the backbone expects them.

    Only Keras's own layers are used, so a saved model needs nothing of this package, and only what
    LiteRT has built in. The result is float32 under mixed precision too.
    """
    if mode == "none":
        return keras.ops.cast(pixels, "float32")
    if mode == "tf":
        return _rescale(1 / 127.5, -1.0)(pixels)
    if mode == "torch":
        pairs = list(zip(_MEAN, _DEVIATION, strict=True))
        return _rescale([1 / (255 * std) for _, std in pairs], [-mean / std for mean, std in pairs])(pixels)
    # Channels are swapped by `take`, which converts to a GATHER that LiteRT has for int8 as well.
    return _rescale(1.0, [-mean for mean in _MEAN_BGR])(keras.ops.take(pixels, [2, 1, 0], axis=-1))


def _rescale(scale: float | list[float], offset: float | list[float]) -> keras.layers.Rescaling:
    return keras.layers.Rescaling(scale, offset, dtype="float32", name="preprocessing")
