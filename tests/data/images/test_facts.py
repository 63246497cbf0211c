"""The record of an image file."""

from __future__ import annotations

import pytest

from tests.images import encoded, noisy_image
from tl_keras.data.images.facts import facts_of
from tl_keras.errors import BadImage


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "BMP", "GIF"])
def test_the_record_of_a_file(format: str) -> None:
    facts = facts_of(encoded(noisy_image(1, (90, 60)), format), 1e9)
    assert (facts["width"], facts["height"], facts["format"].item().decode()) == (90, 60, format)


def test_a_bomb_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tl_keras.data.images.facts.pixels_of", None)
    with pytest.raises(BadImage, match=r"more than 0\.001 megapixels"):
        facts_of(encoded(noisy_image(1, (90, 60))), 1000)
