"""Any image file becomes the model's input, or a BadImage with a reason."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from tests.images import encoded, exif, noisy_image
from tl_keras.core.geometry import Geometry
from tl_keras.data.images.decode import decode, open_image
from tl_keras.errors import BadImage

ROOT = Path(__file__).resolve().parents[3]
SMALL = Geometry(24, 32)
JPEG = encoded(noisy_image(1, (90, 70)))
PNG = encoded(noisy_image(1, (90, 70)), "PNG")


def reason(data: bytes | str | Path) -> str:
    with pytest.raises(BadImage) as caught:
        decode(data, SMALL)
    return str(caught.value)


def plain_resize(image: Image.Image, size: tuple[int, int]) -> np.ndarray:
    return np.array(image.convert("RGB").resize(size, Image.Resampling.BILINEAR))


@pytest.mark.parametrize("format", ["JPEG", "PNG", "BMP", "GIF", "WEBP"])
def test_every_format_becomes_rgb_of_the_models_size(format: str, tmp_path: Path) -> None:
    path = tmp_path / "照片 1.bin"
    path.write_bytes(encoded(noisy_image(2, (50, 40), (200, 50, 40)), format))
    pixels = decode(path, SMALL)
    assert pixels.shape == (24, 32, 3)
    assert pixels.dtype == np.uint8
    red, green, blue = pixels.reshape(-1, 3).mean(axis=0)
    assert red > 150 > green and red > 150 > blue
    assert (decode(str(path), SMALL) == pixels).all()
    assert (decode(path.read_bytes(), SMALL) == pixels).all()


def test_squash_is_pillows_resize_of_the_whole_image() -> None:
    image = noisy_image(3, (61, 47))
    assert (decode(encoded(image, "PNG"), SMALL) == plain_resize(image, (32, 24))).all()


def test_an_image_of_the_right_size_is_untouched() -> None:
    image = noisy_image(3, (32, 24))
    assert (decode(encoded(image, "PNG"), SMALL) == np.array(image)).all()


def test_crop_takes_the_center() -> None:
    image = Image.new("RGB", (100, 40), "blue")
    image.paste((255, 0, 0), (30, 0, 70, 40))
    pixels = decode(encoded(image, "PNG"), Geometry(8, 8, "crop", 0.8))
    assert (pixels == [255, 0, 0]).all()
    assert (decode(encoded(image, "PNG"), Geometry(8, 8))[:, 0] == [0, 0, 255]).all()


def test_pad_centers_on_black() -> None:
    image = Image.new("RGB", (100, 50), "white")
    pixels = decode(encoded(image, "PNG"), Geometry(40, 40, "pad"))
    assert (pixels[10:30] == 255).all()
    assert (pixels[:10] == 0).all() and (pixels[30:] == 0).all()


@pytest.mark.parametrize("resize", ["squash", "crop", "pad"])
def test_a_box_overrides_the_geometry(resize: str) -> None:
    image = noisy_image(4, (60, 60))
    pixels = decode(encoded(image, "PNG"), Geometry(16, 16, resize), box=(5, 10, 37, 42))  # type: ignore[arg-type]
    expected = image.resize((16, 16), Image.Resampling.BILINEAR, box=(5, 10, 37, 42))
    assert (pixels == np.array(expected)).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (7, 1000), (31, 23), (33, 25)])
@pytest.mark.parametrize("resize", ["squash", "crop", "pad"])
def test_odd_sizes_and_extreme_shapes(size: tuple[int, int], resize: str) -> None:
    geometry = Geometry(24, 32, resize, 0.875)  # type: ignore[arg-type]
    for format in ("PNG", "JPEG"):
        assert decode(encoded(noisy_image(5, size), format), geometry).shape == (24, 32, 3)


@given(
    st.integers(1, 5000), st.integers(1, 5000), st.integers(1, 400), st.integers(1, 400), st.floats(0.1, 1)
)
@settings(max_examples=60, deadline=None)
def test_rounding_never_puts_the_crop_outside(
    width: int, height: int, target_width: int, target_height: int, fraction: float
) -> None:
    geometry = Geometry(target_height, target_width, "crop", fraction)
    data = encoded(Image.new("L", (width, height)), "PNG", compress_level=1)
    assert decode(data, geometry).shape == (target_height, target_width, 3)


def test_scaled_jpeg_decoding_stays_close_to_the_full_decoding() -> None:
    data = encoded(noisy_image(6, (801, 603)), quality=95)
    full = plain_resize(Image.open(io.BytesIO(data)), (32, 24))
    assert np.abs(decode(data, SMALL).astype(int) - full).mean() < 1.5


def test_scaled_jpeg_decoding_hits_the_box() -> None:
    image = Image.new("RGB", (1600, 1600), "blue")
    image.paste((255, 0, 0), (750, 350, 1600, 1250))
    pixels = decode(encoded(image, quality=95), Geometry(16, 16), box=(800, 400, 1600, 1200)).astype(int)
    assert (np.abs(pixels - [254, 0, 0]) < 6).all()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("orientation", range(0, 10))
def test_images_are_turned_upright(orientation: int, format: str, order: str) -> None:
    data = encoded(noisy_image(7, (48, 32)), format, exif=exif(orientation, order))
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    difference = decode(data, SMALL).astype(int) - plain_resize(upright, (32, 24))
    assert np.abs(difference).max() <= 1  # Pillow may take the axes in another order


def test_the_box_is_in_upright_pixels() -> None:
    image = Image.new("RGB", (400, 200), "blue")
    image.paste((255, 0, 0), (0, 0, 200, 200))
    data = encoded(image, "PNG", exif=exif(6))  # shown upright: 200 wide, 400 high, red above
    assert (decode(data, Geometry(8, 8), box=(0, 0, 200, 180)) == [255, 0, 0]).all()


def test_a_huge_photo_is_turned_too() -> None:
    image = Image.new("RGB", (1600, 800), "blue")
    image.paste((255, 0, 0), (0, 0, 800, 800))
    pixels = decode(encoded(image, exif=exif(8)), Geometry(16, 16))  # shown upright: red below
    assert pixels[12, 8, 0] > 200 and pixels[4, 8, 2] > 200


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_every_png_mode_keeps_its_colors(mode: str) -> None:
    image = noisy_image(8, (32, 24)).convert(mode)
    assert (decode(encoded(image, "PNG"), SMALL) == np.array(image.convert("RGB"))).all()


def test_palette_transparency_is_ignored() -> None:
    image = noisy_image(8, (32, 24)).convert("P")
    data = encoded(image, "PNG", transparency=bytes(range(256)))
    assert (decode(data, SMALL) == np.array(image.convert("RGB"))).all()


def test_of_16_bits_the_upper_8_are_kept() -> None:
    values = (np.arange(24 * 32, dtype=np.uint16) * 83).reshape(24, 32)
    pixels = decode(encoded(Image.fromarray(values), "PNG"), SMALL)
    assert (pixels == (values >> 8)[..., None]).all()


def test_cmyk_is_converted() -> None:
    image = Image.new("CMYK", (32, 24), (0, 255, 255, 0))
    assert (np.abs(decode(encoded(image, quality=95), SMALL).astype(int) - [255, 0, 0]) < 8).all()


def test_the_first_frame_of_an_animation_is_used() -> None:
    frames = [Image.new("RGB", (32, 24), color) for color in ("red", "blue")]
    for format in ("GIF", "WEBP", "PNG"):
        data = encoded(frames[0], format, save_all=True, append_images=frames[1:], lossless=True)
        assert (np.abs(decode(data, SMALL).astype(int) - [255, 0, 0]) < 3).all()


def test_reasons_for_bad_files(tmp_path: Path) -> None:
    assert reason(b"") == "empty file"
    assert reason(b"<html>not found</html>") == "not a JPEG, PNG, BMP, GIF or WebP image"
    assert reason(encoded(noisy_image(1), "TIFF")) == "not a JPEG, PNG, BMP, GIF or WebP image"
    assert reason(JPEG[: len(JPEG) // 2]).startswith("truncated or damaged: ")
    assert reason(PNG[: len(PNG) // 2]).startswith("truncated or damaged: ")
    assert reason(tmp_path / "none.jpg") == "file not found"
    assert reason(tmp_path) == "a folder, not a file"
    assert "null" in reason("a\0b.jpg")


@pytest.mark.skipif(
    os.name == "nt" or not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all"
)
def test_permission_denied(tmp_path: Path) -> None:
    path = tmp_path / "locked.jpg"
    path.write_bytes(JPEG)
    path.chmod(0)
    assert reason(path) == "permission denied"


def test_bombs_are_refused_before_decoding() -> None:
    header = bytearray(encoded(Image.new("L", (10, 10)), "BMP"))
    header[18:26] = (20_000).to_bytes(4, "little") + (10_001).to_bytes(4, "little")
    assert reason(bytes(header)) == "more than 200 megapixels"


def test_large_images_below_the_limit_are_read() -> None:
    data = encoded(Image.new("L", (12_000, 9_000)))
    assert decode(data, SMALL).shape == (24, 32, 3)


@given(
    st.binary(max_size=300),
    st.sampled_from([b"", JPEG[:30], PNG[:33], b"GIF89a", b"BM", b"RIFF\x40\0\0\0WEBPVP8X"]),
)
@settings(max_examples=300, deadline=None)
def test_no_bytes_raise_anything_but_bad_image(tail: bytes, head: bytes) -> None:
    try:
        assert decode(head + tail, SMALL).shape == (24, 32, 3)
    except BadImage as error:
        assert str(error)


SAMPLES = [
    encoded(noisy_image(9), format, **({"exif": exif(6)} if format in ("JPEG", "PNG", "WEBP") else {}))
    for format in ("JPEG", "PNG", "BMP", "GIF", "WEBP")
]


@given(
    st.sampled_from(SAMPLES),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=6),
)
@settings(max_examples=400, deadline=None)
def test_no_damage_raises_anything_but_bad_image(sample: bytes, damages: list[tuple[float, int]]) -> None:
    data = bytearray(sample)
    for where, value in damages:
        data[int(where**3 * (len(data) - 1))] = value  # mostly in the headers
    try:
        assert decode(bytes(data), SMALL).shape == (24, 32, 3)
    except BadImage as error:
        assert str(error)


def test_a_lack_of_memory_is_no_damage() -> None:
    image = encoded(Image.new("L", (8, 8)), "PNG")
    with pytest.raises(BadImage, match="cannot be read: not enough memory"), open_image(image):
        raise MemoryError


def test_a_limit_of_this_process_is_no_fault_of_the_image(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(JPEG)
    program = f"""
import os, resource
from tl_keras.data.images.decode import read_bytes
resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))
try:
    while True:
        os.open(os.devnull, os.O_RDONLY)
except OSError:
    read_bytes({str(tmp_path / "a.jpg")!r})
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1 and "Too many open files" in done.stderr
