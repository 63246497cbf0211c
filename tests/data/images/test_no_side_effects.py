"""Opening images changes nothing in the process that uses the library, and large ones are no trouble."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from tests.images import encoded, exif, noisy_image
from tl_keras.core.geometry import Geometry
from tl_keras.data.images.decode import MAX_PIXELS, decode, upright_size
from tl_keras.data.images.facts import facts_of
from tl_keras.data.images.silence import PillowSilence
from tl_keras.errors import BadImage, SkipReason

ROOT = Path(__file__).resolve().parents[3]
SMALL = Geometry(8, 8)
ODD_EXIF = encoded(noisy_image(1, (40, 30)), exif=exif(6)[:-4])
"""Pillow warns when it reads its header."""


@pytest.fixture(scope="module")
def large() -> dict[int, bytes]:
    """Megapixels -> a PNG of one color, a few hundred kilobytes."""
    return {size: encoded(Image.new("L", (10_000, size * 100)), "PNG") for size in (100, 201)}


@pytest.fixture(params=[Image.MAX_IMAGE_PIXELS, 1_000, None], ids=["default", "lower", "none"])
def host(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int | None:
    """The limit of a host that makes errors of warnings."""
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", request.param)
    return request.param


def reason(data: bytes) -> str:
    with pytest.raises(BadImage) as caught:
        decode(data, SMALL)
    return str(caught.value)


def run(program: str) -> None:
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_importing_sets_nothing() -> None:
    run("""
import logging, warnings
import imagehash, matplotlib, scipy.sparse.csgraph
from PIL import Image
before = Image.MAX_IMAGE_PIXELS, list(warnings.filters), logging.getLogger("matplotlib").level
import tl_keras.data.images.facts, tl_keras.data.images.read, tl_keras.inspection.sheet
import tl_keras.report.lr_curve
assert (Image.MAX_IMAGE_PIXELS, list(warnings.filters), logging.getLogger("matplotlib").level) == before
""")


def test_the_command_sets_what_it_needs_for_its_own_process() -> None:
    run("""
import logging
from PIL import Image
from tl_keras.cli import main
from tl_keras.data.images.decode import MAX_PIXELS
main._set_up_pictures()
assert Image.MAX_IMAGE_PIXELS == MAX_PIXELS and logging.getLogger("matplotlib").level == logging.ERROR
""")


@pytest.mark.usefixtures("host")
def test_large_images_are_decoded_without_a_word_from_any_thread(large: dict[int, bytes]) -> None:
    with warnings.catch_warnings(), ThreadPoolExecutor(4) as threads:
        warnings.simplefilter("error")
        assert upright_size(large[100]) == (10_000, 10_000)
        shapes = threads.map(lambda data: decode(data, SMALL).shape, [large[100]] * 2)
        reasons = threads.map(reason, [large[201]] * 4)
        assert set(shapes) == {(8, 8, 3)} and set(reasons) == {"more than 200 megapixels"}


@pytest.mark.parametrize("format", ["JPEG", "PNG", "BMP", "GIF"])
@pytest.mark.usefixtures("host")
def test_every_format_is_read_beyond_the_limit_of_the_host(format: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = encoded(noisy_image(1, (90, 70)), format)
        assert decode(data, SMALL).shape == (8, 8, 3) and facts_of(data, 1e6)["width"] == 90


def test_webp_beyond_the_limit_of_the_host_is_too_large(host: int | None) -> None:
    data = encoded(noisy_image(1, (90, 70)), "WEBP")
    if host == 1_000:  # Pillow's reader of WebP asks for it by itself
        assert reason(data) == "more than 0.002 megapixels"
    else:
        assert decode(data, SMALL).shape == (8, 8, 3)


def test_the_limit_is_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tl_keras.data.images.decode.MAX_PIXELS", 1_000)
    with pytest.raises(BadImage) as caught:
        decode(encoded(noisy_image(1, (90, 70))), SMALL)
    assert caught.value.reason is SkipReason.TOO_LARGE and MAX_PIXELS == 200_000_000


def test_warnings_of_damage_are_neither_shown_nor_errors() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode(ODD_EXIF, SMALL).shape == (8, 8, 3)
        with pytest.raises(UserWarning, match="EXIF"), Image.open(io.BytesIO(ODD_EXIF)):
            pass  # the host's own images are as strict as the host wants


def test_the_filters_are_as_before_whatever_threads_do() -> None:
    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as threads:
        assert len(list(threads.map(lambda _: decode(ODD_EXIF, SMALL), range(200)))) == 200
    assert warnings.filters == before


def test_a_host_that_changes_filters_meanwhile_gets_back_its_own() -> None:
    own = ("ignore", None, Warning, re.compile(r"PIL\."), 0)
    with warnings.catch_warnings():
        warnings.filters.insert(0, own)
        before, silence = list(warnings.filters), PillowSilence()
        with silence:
            host = warnings.catch_warnings()
            host.__enter__()
            assert len(warnings.filters) == len(before) + 1
        assert warnings.filters == before
        host.__exit__(None, None, None)
        assert warnings.filters == before and warnings.filters[0] is own
