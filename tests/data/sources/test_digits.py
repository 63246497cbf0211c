"""scikit-learn's digits become image files once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.data.sources.reading import read
from tests.images import class_folders


def test_they_are_small_gray_images_written_once(cache: Path) -> None:
    found = read("digits")
    assert found.classes == tuple("0123456789")
    assert len(found.examples) == 1797
    images = [np.asarray(Image.open(example.path)) for example in found.examples]
    assert {image.shape for image in images} == {(8, 8)}
    assert (min(map(np.min, images)), max(map(np.max, images))) == (0, 255)
    written = (cache / "digits").stat().st_mtime_ns
    assert read("digits") == found
    assert (cache / "digits").stat().st_mtime_ns == written
    assert [path.name for path in cache.iterdir()] == ["digits"]


def test_a_folder_of_that_name_is_pointed_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class_folders(tmp_path / "digits")
    monkeypatch.chdir(tmp_path)
    assert "write ./digits" in read("digits").remarks[0]
    assert read("./digits").classes == ("green", "red")
