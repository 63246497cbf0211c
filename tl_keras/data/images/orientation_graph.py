"""`orientation` in TensorFlow operations, step by step the same, for JPEG and PNG."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from tl_keras.data.images.orientation import (
    APP1,
    END_OF_IMAGE,
    EXIF_HEADER,
    FILL,
    JPEG_START,
    MAX_BLOCKS,
    ORIENTATION_TAG,
    PNG_START,
    SHORT,
    START_OF_SCAN,
)

Step = Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]
"""Looks at the block at an offset: (where EXIF begins, or 0; the next block's offset, or 0 to stop)."""


def exif_orientation_in_graph(encoded: tf.Tensor) -> tf.Tensor:
    """Return the orientation, int64 scalar 1 to 8, of a scalar string's JPEG or PNG; 1 if it has none."""
    data = tf.concat((tf.io.decode_raw(encoded, tf.uint8), [0]), 0)  # reads past the end give this 0
    start = tf.case(
        [
            (_matches(data, 0, JPEG_START), lambda: _walk(2, lambda at: _jpeg_block(data, at))),
            (_matches(data, 0, PNG_START), lambda: _walk(len(PNG_START), lambda at: _png_block(data, at))),
        ],
        default=lambda: tf.constant(0, tf.int64),
    )
    return tf.cond(start > 0, lambda: _tiff_orientation(data, start), lambda: tf.constant(1, tf.int64))


def _walk(first: int, step: Step) -> tf.Tensor:
    """Go from block to block until one is, or none can be, the EXIF block; return its start or 0."""
    _, found = tf.while_loop(
        lambda at, found: (at > 0) & (found == 0),
        lambda at, _: step(at)[::-1],
        (tf.constant(first, tf.int64), tf.constant(0, tf.int64)),
        maximum_iterations=MAX_BLOCKS,
    )
    return found


def _jpeg_block(data: tf.Tensor, at: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    prefix, marker = _number(data, at, 1), _number(data, at + 1, 1)
    is_exif = (prefix == FILL) & (marker == APP1) & _matches(data, at + 4, EXIF_HEADER)
    is_last = (prefix != FILL) | (marker == START_OF_SCAN) | (marker == END_OF_IMAGE)
    following = tf.where(marker == FILL, at + 1, at + 2 + _number(data, at + 2, 2))
    return _only_if(is_exif, at + 10), _only_if(~is_last, following)


def _png_block(data: tf.Tensor, at: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    is_exif = _matches(data, at + 4, b"eXIf")
    following = at + 12 + _number(data, at, 4)
    return _only_if(is_exif, at + 8), _only_if(following < tf.size(data, tf.int64), following)


def _tiff_orientation(data: tf.Tensor, start: tf.Tensor) -> tf.Tensor:
    """Find the tag in the first directory of 12-byte entries: tag, type, count, value."""
    little = _matches(data, start, b"II*\0")
    is_tiff = little | _matches(data, start, b"MM\0*")
    directory = start + _number(data, start + 4, 4, little)
    entries = directory + 2 + 12 * tf.range(_only_if(is_tiff, _number(data, directory, 2, little)))
    tags, kinds = _number(data, entries, 2, little), _number(data, entries + 2, 2, little)
    hits = tf.boolean_mask(entries, (tags == ORIENTATION_TAG) & (kinds == SHORT))
    values = _number(data, hits[:1] + 8, 2, little)
    return tf.reduce_max(tf.concat((tf.where((values >= 1) & (values <= 8), values, 1), [1]), 0))


def _only_if(condition: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
    return tf.where(condition, number, tf.zeros_like(number))


def _matches(data: tf.Tensor, at: tf.Tensor | int, expected: bytes) -> tf.Tensor:
    found = _bytes(data, at + tf.range(len(expected), dtype=tf.int64))
    return tf.reduce_all(found == tf.constant(list(expected), tf.int64))


def _number(data: tf.Tensor, at: tf.Tensor, size: int, little: tf.Tensor | bool = False) -> tf.Tensor:
    """Read unsigned numbers of `size` bytes at offsets `at` (any shape), int64."""
    digits = _bytes(data, at[..., None] + tf.range(size, dtype=tf.int64))
    big = tf.constant([256**place for place in reversed(range(size))], tf.int64)
    return tf.reduce_sum(digits * tf.where(little, big[::-1], big), axis=-1)


def _bytes(data: tf.Tensor, offsets: tf.Tensor) -> tf.Tensor:
    """Return bytes as int64; those past the end count as 0."""
    return tf.cast(tf.gather(data, tf.minimum(offsets, tf.size(data, tf.int64) - 1)), tf.int64)
