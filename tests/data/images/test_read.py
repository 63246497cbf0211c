"""One function reads, hashes and decodes; a fault of the file comes back as a value."""

from __future__ import annotations

import gc
import hashlib
import weakref
from pathlib import Path

import pytest

from tests.images import encoded, noisy_image
from tl_keras.core.geometry import Geometry
from tl_keras.data.images.decode import decode
from tl_keras.data.images.read import read_image
from tl_keras.errors import BadImage, SkipReason

IMAGE = encoded(noisy_image(1))


def written(folder: Path, data: bytes) -> Path:
    (folder / "a.jpg").write_bytes(data)
    return folder / "a.jpg"


def test_an_image(tmp_path: Path) -> None:
    found = read_image(written(tmp_path, IMAGE), lambda data: decode(data, Geometry(8, 8)))
    assert found.sha256 == hashlib.sha256(IMAGE).hexdigest()
    assert found.decoded is not None and (found.decoded == decode(IMAGE, Geometry(8, 8))).all()
    assert found.fault is None


def test_what_is_known_is_not_decoded(tmp_path: Path) -> None:
    digest = hashlib.sha256(IMAGE).hexdigest()
    found = read_image(written(tmp_path, IMAGE), lambda _: pytest.fail("decoded"), {digest})
    assert (found.sha256, found.decoded, found.fault) == (digest, None, None)


def test_a_file_that_cannot_be_read_has_no_hash(tmp_path: Path) -> None:
    found = read_image(tmp_path / "none.jpg", lambda _: pytest.fail("decoded"))
    assert found.sha256 == "" and found.decoded is None
    assert found.fault is not None and found.fault.reason is SkipReason.MISSING


def test_a_damaged_file_has_a_hash_and_a_fault(tmp_path: Path) -> None:
    found = read_image(written(tmp_path, IMAGE[:200]), lambda data: decode(data, Geometry(8, 8)))
    assert found.sha256 == hashlib.sha256(IMAGE[:200]).hexdigest() and found.decoded is None
    assert found.fault is not None and found.fault.reason is SkipReason.DAMAGED and found.fault.detail


def test_a_fault_does_not_keep_the_file_in_memory(tmp_path: Path) -> None:
    class Held:
        pass

    held = Held()
    kept = weakref.ref(held)

    def refuse(_: bytes, held: Held | None = held) -> None:
        mine = held  # a local variable of the frame that raises
        raise BadImage(SkipReason.DAMAGED, type(mine).__name__)

    found = read_image(written(tmp_path, b"x"), refuse)
    del held, refuse
    gc.collect()
    assert str(found.fault) == "truncated or damaged: Held" and kept() is None
