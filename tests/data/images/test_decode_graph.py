"""The serving graph decodes exactly as `decode` does: every pixel equal."""

from __future__ import annotations

import io
import random
import struct
import zlib
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.images import encoded, exif, noisy_image
from tests.shared import SHARED
from tl_keras.core.geometry import Geometry
from tl_keras.data.images.decode import decode
from tl_keras.data.images.decode_graph import decode_in_graph
from tl_keras.data.images.orientation import exif_orientation
from tl_keras.data.images.orientation_graph import exif_orientation_in_graph

DATASETS = SHARED / "datasets"
GEOMETRIES = [
    Geometry(24, 32),
    Geometry(31, 17, "crop", 0.875),
    Geometry(24, 32, "crop"),
    Geometry(33, 33, "pad"),
    Geometry(160, 224),
]


@cache
def graph(geometry: Geometry) -> tf.types.experimental.PolymorphicFunction:
    signature = [tf.TensorSpec((), tf.string)]
    return tf.function(lambda encoded: decode_in_graph(encoded, geometry), input_signature=signature)


def assert_same(data: bytes, geometry: Geometry) -> None:
    np.testing.assert_array_equal(graph(geometry)(data).numpy(), decode(data, geometry))


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=str)
@pytest.mark.parametrize(
    "size",
    [(1, 1), (1, 90), (700, 1), (3, 2), (32, 24), (33, 25), (640, 480), (501, 377), (901, 1203)],
    ids=str,
)
def test_sizes(size: tuple[int, int], geometry: Geometry) -> None:
    assert_same(encoded(noisy_image(1, size), quality=90), geometry)
    assert_same(encoded(noisy_image(2, size), "PNG"), geometry)


@given(st.integers(1, 600), st.integers(1, 600), st.sampled_from(GEOMETRIES), st.integers(30, 100))
@settings(max_examples=60, deadline=None)
def test_random_sizes(width: int, height: int, geometry: Geometry, quality: int) -> None:
    image = noisy_image(width * height, (width, height))
    assert_same(encoded(image, quality=quality), geometry)
    assert_same(encoded(image, "PNG", compress_level=1), geometry)


@pytest.mark.parametrize("geometry", GEOMETRIES[:4], ids=str)
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("orientation", range(0, 10))
def test_orientations(orientation: int, order: str, geometry: Geometry) -> None:
    for size in ((40, 29), (701, 333)):
        assert_same(encoded(noisy_image(3, size), exif=exif(orientation, order)), geometry)
    assert_same(encoded(noisy_image(3, (40, 29)), "PNG", exif=exif(orientation, order)), geometry)


@pytest.mark.parametrize(
    "options",
    [
        *({"subsampling": kind} for kind in ("4:4:4", "4:2:2", "4:2:0", "4:1:1")),
        {"progressive": True},
        {"keep_rgb": True},
        {"quality": 5},
        {"restart_marker_rows": 1},
    ],
    ids=str,
)
def test_kinds_of_jpeg(options: dict[str, object]) -> None:
    for size in ((57, 43), (901, 655)):
        assert_same(encoded(noisy_image(4, size), **options), GEOMETRIES[0])


def test_gray_and_cmyk_jpeg() -> None:
    assert_same(encoded(noisy_image(5, (301, 99)).convert("L")), GEOMETRIES[0])
    ink = np.dstack([np.array(noisy_image(6, (320, 240))), np.array(noisy_image(7, (320, 240)))[..., :1]])
    adobe = encoded(Image.fromarray(ink, "CMYK"))
    assert_same(adobe, GEOMETRIES[0])
    assert_same(without_segment(adobe, b"Adobe"), GEOMETRIES[0])


def test_rotated_mpo_uses_the_first_picture() -> None:
    first, second = noisy_image(8, (90, 60)), noisy_image(9, (90, 60))
    assert_same(encoded(first, "MPO", save_all=True, append_images=[second], exif=exif(6)), GEOMETRIES[0])


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_kinds_of_png(mode: str) -> None:
    image = noisy_image(10, (53, 41)).convert(mode)
    assert_same(encoded(image, "PNG"), GEOMETRIES[0])


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_small_palettes_and_their_transparency(bits: int) -> None:
    image = noisy_image(10, (53, 41)).quantize(2**bits)
    assert_same(encoded(image, "PNG", bits=bits), GEOMETRIES[0])
    assert_same(encoded(image, "PNG", bits=bits, transparency=bytes(range(2**bits))), GEOMETRIES[0])
    assert_same(encoded(image, "PNG", bits=bits, transparency=0), GEOMETRIES[0])


@pytest.mark.parametrize("channels, kind", [(1, 0), (3, 2), (2, 4), (4, 6)])
@pytest.mark.parametrize("bits", [8, 16])
def test_raw_png_kinds(channels: int, kind: int, bits: int) -> None:
    values = np.random.default_rng(0).integers(0, 2**bits, (41, 53, channels), dtype=f"uint{bits}")
    assert_same(png(values, kind, bits), GEOMETRIES[0])
    assert_same(png(values, kind, bits, (b"gAMA", struct.pack(">I", 100_000))), GEOMETRIES[0])
    if channels in (1, 3):
        assert_same(png(values, kind, bits, (b"tRNS", b"\0\7" * channels)), GEOMETRIES[0])


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_gray_png_of_few_bits(bits: int) -> None:
    rows = np.random.default_rng(0).integers(0, 256, (41, -(-53 * bits // 8), 1), dtype=np.uint8)
    assert_same(png(rows, 0, bits, width=53), GEOMETRIES[0])


def test_bmp_and_first_frame_of_gif() -> None:
    assert_same(encoded(noisy_image(11, (53, 41)), "BMP"), GEOMETRIES[0])
    frames = [noisy_image(seed, (53, 41)) for seed in (12, 13)]
    assert_same(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]), GEOMETRIES[0])


def test_an_exif_block_after_the_png_pixels_counts() -> None:
    values = np.random.default_rng(0).integers(0, 256, (41, 53, 3), dtype=np.uint8)
    data = png(values, 2, 8, after=(b"eXIf", exif(6)[6:]))
    assert exif_orientation(data) == 6
    assert_same(data, GEOMETRIES[0])


@given(
    st.sampled_from(["JPEG", "PNG"]),
    st.sampled_from("<>"),
    st.integers(1, 9),
    st.lists(st.tuples(st.integers(0, 90), st.integers(0, 255)), max_size=4),
    st.integers(0, 150),
)
@settings(max_examples=300, deadline=None)
def test_broken_exif_is_read_alike(
    format: str, order: str, orientation: int, damages: list[tuple[int, int]], length: int
) -> None:
    image = Image.new("L", (8, 8))
    data = bytearray(encoded(image, format, exif=exif(orientation, order)))
    start = max(2, data.find(b"Exif" if format == "JPEG" else b"eXIf") - 10)
    for where, value in damages:
        data[min(start + where, len(data) - 1)] = value
    broken = bytes(data[: start + length])
    assert int(orientation_graph(broken)) == exif_orientation(broken)


def test_endless_blocks_end() -> None:
    for data in (b"\xff\xd8" + b"\xff" * 20_000, b"\xff\xd8\xff\xe0" + b"\0" * 50, b"", b"\xff\xd8\xff"):
        assert int(orientation_graph(data)) == exif_orientation(data) == 1


@tf.function(input_signature=[tf.TensorSpec((), tf.string)])
def orientation_graph(data: tf.Tensor) -> tf.Tensor:
    return exif_orientation_in_graph(data)


def test_works_in_map_fn_and_survives_saving(tmp_path: Path) -> None:
    geometry = GEOMETRIES[1]

    class Serving(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def decode(self, batch: tf.Tensor) -> tf.Tensor:
            one = tf.TensorSpec((geometry.height, geometry.width, 3), tf.uint8)
            return tf.map_fn(lambda data: decode_in_graph(data, geometry), batch, fn_output_signature=one)

    tf.saved_model.save(Serving(), str(tmp_path / "served"))
    files = [encoded(noisy_image(1, (300, 200)), exif=exif(6)), encoded(noisy_image(2, (20, 30)), "PNG")]
    pixels = tf.saved_model.load(str(tmp_path / "served")).decode(tf.constant(files)).numpy()
    assert pixels.shape == (2, geometry.height, geometry.width, 3)
    for data, found in zip(files, pixels, strict=True):
        np.testing.assert_array_equal(found, decode(data, geometry))


@pytest.mark.parametrize(
    "data", [b"", b"no image", encoded(noisy_image(1))[:300]], ids=["empty", "text", "cut"]
)
def test_what_is_no_image_is_an_error(data: bytes) -> None:
    with pytest.raises(tf.errors.InvalidArgumentError):
        graph(GEOMETRIES[0])(data)


@pytest.mark.slow
@pytest.mark.skipif(not DATASETS.is_dir(), reason="the shared datasets are not beside this checkout")
@pytest.mark.parametrize("geometry", [Geometry(224, 224, "crop", 0.875), Geometry(96, 96)], ids=str)
def test_real_photos(geometry: Geometry) -> None:
    photos = [path for path in sorted(DATASETS.glob("*/**/*.[jJ]*")) if path.stat().st_size > 20_000]
    largest = sorted(photos, key=lambda path: path.stat().st_size)[-3:]
    small = sorted(DATASETS.glob("sign_digits/*/*.JPG"))
    for path in [*largest, *random.Random(0).sample(photos, 12), *random.Random(0).sample(small, 12)]:
        assert_same(path.read_bytes(), geometry)


def without_segment(jpeg: bytes, name: bytes) -> bytes:
    start = jpeg.index(name) - 4
    return jpeg[:start] + jpeg[start + 2 + int.from_bytes(jpeg[start + 2 : start + 4], "big") :]


def png(
    values: np.ndarray,
    kind: int,
    bits: int,
    before: tuple[bytes, bytes] | None = None,
    after: tuple[bytes, bytes] | None = None,
    width: int = 0,
) -> bytes:
    """Write a PNG of a kind that Pillow cannot: `values` [h, w, channels], 16 bits too."""
    rows = values.astype(values.dtype.newbyteorder(">")).reshape(len(values), -1)
    header = struct.pack(">IIBBBBB", width or values.shape[1], len(values), bits, kind, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    extra = [before] if before else []
    chunks = [(b"IHDR", header), *extra, (b"IDAT", pixels), *([after] if after else []), (b"IEND", b"")]
    buffer = io.BytesIO(b"\x89PNG\r\n\x1a\n")
    buffer.seek(8)
    for name, body in chunks:
        buffer.write(struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)))
    return buffer.getvalue()
