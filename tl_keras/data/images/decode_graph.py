"""`decode` in TensorFlow operations, for models that take encoded images: equal to it to the bit.

Pillow's resize (triangle filter) weighs pixels with 22-bit integers and rounds after each axis; so do we.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from tl_keras.core.geometry import Geometry
from tl_keras.data.images.decode import DRAFT_RATIOS
from tl_keras.data.images.orientation import JPEG_START
from tl_keras.data.images.orientation_graph import exif_orientation_in_graph

WEIGHT_BITS = 22


def decode_in_graph(encoded: tf.Tensor, geometry: Geometry) -> tf.Tensor:
    """Decode an image, turn it upright and scale it to the model's input size.

    Args:
        encoded: Scalar string: the bytes of a JPEG or PNG file. (BMP and GIF are read where TensorFlow
            can, without the promise of equality.)
        geometry: Input size in pixels and how images are brought to it.

    Returns:
        uint8 RGB [height, width, 3], 0 to 255. Running it on anything else raises InvalidArgumentError.
    """
    is_jpeg = tf.strings.substr(encoded, 0, len(JPEG_START)) == JPEG_START
    image, box, target = tf.cond(
        is_jpeg, lambda: _read_jpeg(encoded, geometry), lambda: _read_other(encoded, geometry)
    )
    small = _resize(image, box, target)
    small = tf.image.pad_to_bounding_box(
        small,
        (geometry.height - target[1]) // 2,
        (geometry.width - target[0]) // 2,
        geometry.height,
        geometry.width,
    )
    return tf.ensure_shape(small, (geometry.height, geometry.width, 3))


def _read_jpeg(encoded: tf.Tensor, geometry: Geometry) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    orientation = exif_orientation_in_graph(encoded)
    shape = tf.io.extract_jpeg_shape(encoded)
    sides = tf.where(orientation >= 5, shape[:2], shape[1::-1])
    box, target = _used(sides, geometry)
    step = _draft_step(box, target)
    ratios = (1, *reversed(DRAFT_RATIOS))
    image = tf.switch_case(step, [_jpeg_decoder(encoded, ratio) for ratio in ratios])
    box /= tf.gather(tf.constant(ratios, tf.float64), step)
    return _turn(image, orientation), box, target


def _jpeg_decoder(encoded: tf.Tensor, ratio: int) -> Callable[[], tf.Tensor]:
    return lambda: tf.io.decode_jpeg(
        encoded, channels=3, ratio=ratio, fancy_upscaling=True, dct_method="INTEGER_ACCURATE"
    )


def _read_other(encoded: tf.Tensor, geometry: Geometry) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    image = tf.io.decode_image(encoded, channels=3, expand_animations=False)
    image = _turn(tf.ensure_shape(image, (None, None, 3)), exif_orientation_in_graph(encoded))
    return image, *_used(tf.shape(image)[1::-1], geometry)


def _turn(image: tf.Tensor, orientation: tf.Tensor) -> tf.Tensor:
    """Turn a stored image [h, w, 3] upright: transposed from 5 on, then mirrored along either axis."""
    image = tf.cond(orientation >= 5, lambda: tf.transpose(image, (1, 0, 2)), lambda: image)
    mirrored = _is_one_of(orientation, (2, 3, 6, 7))
    image = tf.cond(mirrored, lambda: tf.reverse(image, (1,)), lambda: image)
    upside_down = _is_one_of(orientation, (3, 4, 7, 8))
    return tf.cond(upside_down, lambda: tf.reverse(image, (0,)), lambda: image)


def _is_one_of(number: tf.Tensor, choices: tuple[int, ...]) -> tf.Tensor:
    return tf.reduce_any(number == tf.constant(choices, number.dtype))


def _used(sides: tf.Tensor, geometry: Geometry) -> tuple[tf.Tensor, tf.Tensor]:
    """Return `Geometry.source_box` float64 [4] and `Geometry.target_size` int32 [2] for (width, height)."""
    model = tf.constant((geometry.width, geometry.height), tf.int32)
    whole, wanted = tf.cast(sides, tf.float64), tf.cast(model, tf.float64)
    if geometry.resize == "crop":
        kept = wanted * (tf.reduce_min(whole / wanted) * geometry.crop_fraction)
        start = (whole - kept) / 2
        start, stop = tf.maximum(start, 0.0), tf.minimum(start + kept, whole)
        return tf.concat((start, stop), 0), model
    box = tf.concat((tf.zeros_like(whole), whole), 0)
    if geometry.resize == "pad":
        scaled = tf.cast(tf.round(whole * tf.reduce_min(wanted / whole)), tf.int32)
        return box, tf.clip_by_value(scaled, 1, model)
    return box, model


def _draft_step(box: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """Return how often the JPEG decoder may halve the image, 0 to 3, as `_draft_ratio` of `decode`."""
    sides, enough = box[2:] - box[:2], 2 * tf.cast(target, tf.float64)
    fits = [tf.reduce_all(sides >= ratio * enough) for ratio in DRAFT_RATIOS]
    return tf.reduce_sum(tf.cast(tf.stack(fits), tf.int32))


def _resize(image: tf.Tensor, box: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """Scale the `box` of a uint8 image [h, w, 3] to `target` (width, height), first along the width."""
    box = tf.cast(box, tf.float32)  # as Pillow stores it
    turned = _resize_rows(tf.transpose(image, (1, 0, 2)), box[0], box[2], target[0])
    return _resize_rows(tf.transpose(turned, (1, 0, 2)), box[1], box[3], target[1])


def _resize_rows(image: tf.Tensor, start: tf.Tensor, stop: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """Scale the rows `start` to `stop` of a uint8 image [rows, columns, 3] to `target` rows, rounded."""
    rows, columns = tf.shape(image)[0], tf.shape(image)[1]
    taps, weights = _taps(rows, start, stop, target)
    pixels = tf.gather(tf.reshape(image, (rows, columns * 3)), taps)
    sums = tf.reduce_sum(tf.cast(pixels, tf.int32) * weights[:, :, None], axis=1)
    rounded = tf.bitwise.right_shift(sums + 2 ** (WEIGHT_BITS - 1), WEIGHT_BITS)
    return tf.reshape(tf.cast(tf.clip_by_value(rounded, 0, 255), tf.uint8), (target, columns, 3))


def _taps(
    rows: tf.Tensor, start: tf.Tensor, stop: tf.Tensor, target: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Return which rows make up each target row and their weights: two int32 [target, taps].

    The weights are Pillow's: a triangle around the target row's center, summing to 2**WEIGHT_BITS.
    """
    rows = tf.cast(rows, tf.float64)
    scale = tf.cast(stop - start, tf.float64) / tf.cast(target, tf.float64)
    reach = tf.maximum(scale, 1.0)
    center = tf.cast(start, tf.float64) + (tf.range(tf.cast(target, tf.float64))[:, None] + 0.5) * scale
    first = tf.floor(tf.maximum(center - reach + 0.5, 0.0))
    after = tf.floor(tf.minimum(center + reach + 0.5, rows))
    row = first + tf.range(tf.reduce_max(after - first))
    triangle = tf.maximum(1.0 - tf.abs((row - center + 0.5) * (1.0 / reach)), 0.0)
    triangle = tf.where(row < after, triangle, 0.0)
    share = triangle / tf.reduce_sum(triangle, axis=1, keepdims=True)
    weights = tf.floor(share * 2.0**WEIGHT_BITS + 0.5)
    return tf.cast(tf.minimum(row, rows - 1), tf.int32), tf.cast(weights, tf.int32)
