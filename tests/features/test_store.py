"""What was stored comes back as it was, or not at all."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tl_keras.features.store import Store, fingerprint, open_store, runs_of

SHAPE, DTYPE = (3, 2), np.dtype(np.float32)


def digest(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def row(number: int) -> np.ndarray:
    return np.random.default_rng(number).normal(size=SHAPE).astype(DTYPE)


def opened(folder: Path | None) -> Store:
    return Store(folder, {"of": "a test"}, SHAPE, DTYPE)


def filled(folder: Path | None, chunks: tuple[range, ...] = (range(5), range(5, 8))) -> Store:
    store = opened(folder)
    for numbers in chunks:
        store.add([digest(n) for n in numbers], np.stack([row(n) for n in numbers]))
    return store


def read(store: Store, numbers: list[int]) -> np.ndarray:
    return store.read(store.locate([digest(n) for n in numbers]))


@pytest.mark.parametrize("on_disk", [True, False])
def test_rows_come_back_in_the_order_asked_for(tmp_path, on_disk):
    store = filled(tmp_path / "s" if on_disk else None)
    wanted = [7, 0, 3, 3, 6]
    np.testing.assert_array_equal(read(store, wanted), np.stack([row(n) for n in wanted]))
    assert len(store) == 8 and digest(2) in store and digest(8) not in store


def test_another_process_finds_them(tmp_path):
    first = opened(tmp_path / "s")
    filled(tmp_path / "s")
    assert len(first) == 0
    first.refresh()
    np.testing.assert_array_equal(read(first, [6, 1]), np.stack([row(6), row(1)]))
    assert len(opened(tmp_path / "s")) == 8
    assert sorted(path.suffix for path in (tmp_path / "s").iterdir()) == [".json", ".npy", ".npy"]


def test_the_same_rows_twice_are_one_file(tmp_path):
    filled(tmp_path / "s")
    filled(tmp_path / "s")
    assert len(list((tmp_path / "s").glob("*.npy"))) == 2


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_any_flipped_byte_is_noticed(tmp_path, place, flip):
    folder = tmp_path / "s"
    filled(folder)
    file = sorted(folder.glob("*.npy"))[0]
    content = bytearray(file.read_bytes())
    content[int(place * len(content))] ^= flip
    file.write_bytes(content)
    store = opened(folder)
    assert len(store) in (3, 5) and not file.exists()
    here = [n for n in range(8) if digest(n) in store]
    np.testing.assert_array_equal(read(store, here), np.stack([row(n) for n in here]))


@pytest.mark.parametrize("left", [0, 1, 60, 200])
def test_a_truncated_file_is_noticed_and_said(tmp_path, left, capfd):
    filled(tmp_path / "s")
    file = sorted((tmp_path / "s").glob("*.npy"))[0]
    file.write_bytes(file.read_bytes()[:left])
    assert len(opened(tmp_path / "s")) in (3, 5)
    assert "damaged" in capfd.readouterr().err and not file.exists()


def test_many_small_files_become_one(tmp_path):
    store = filled(tmp_path / "s", tuple(range(n, n + 1) for n in range(70)))
    store.merge()
    files = list((tmp_path / "s").glob("*.npy"))
    assert len(files) == 1 and len(store) == 70
    again = opened(tmp_path / "s")
    np.testing.assert_array_equal(read(again, [69, 3]), np.stack([row(69), row(3)]))
    np.testing.assert_array_equal(read(store, [69, 3]), np.stack([row(69), row(3)]))


def test_rows_beyond_the_budget_stay_in_memory(tmp_path, capfd):
    store = Store(tmp_path / "s", {"of": "a test"}, SHAPE, DTYPE, lambda needed: needed < 200)
    store.add([digest(1)], row(1)[None])
    store.add([digest(n) for n in range(2, 9)], np.stack([row(n) for n in range(2, 9)]))
    np.testing.assert_array_equal(read(store, [8, 1]), np.stack([row(8), row(1)]))
    assert "no room for more features" in capfd.readouterr().err and len(opened(tmp_path / "s")) == 1


def test_rows_of_another_shape_are_not_taken_for_ours(tmp_path):
    filled(tmp_path / "s")
    other = Store(tmp_path / "s", {"of": "a test"}, (6,), DTYPE)
    assert len(other) == 0


def test_where_nothing_can_be_written_they_stay_in_memory(tmp_path, capfd):
    (tmp_path / "a file").write_text("in the way")
    store = filled(tmp_path / "a file" / "s")
    np.testing.assert_array_equal(read(store, [6, 1]), np.stack([row(6), row(1)]))
    assert "kept in memory" in capfd.readouterr().err


def test_rows_stay_readable_after_another_process_has_cleared_up(tmp_path):
    store = filled(tmp_path / "s")
    for file in (tmp_path / "s").iterdir():
        file.unlink()
    np.testing.assert_array_equal(read(store, [4]), row(4)[None])


def test_every_value_of_a_fingerprint_counts():
    about = {"backbone": "X", "options": {"alpha": 0.5}, "weights": "abc", "resizing": [32, 32, "crop", 1.0]}
    others = [
        about | {"backbone": "Y"},
        about | {"options": {"alpha": 0.25}},
        about | {"weights": "abd"},
        about | {"resizing": [32, 32, "pad", 1.0]},
        about | {"augment": {"view": 1}},
    ]
    assert len({fingerprint(each) for each in (about, *others)}) == 6
    assert fingerprint(dict(reversed(about.items()))) == fingerprint(about)


def test_runs_are_remembered_once(tmp_path):
    store = open_store(tmp_path, {"a": 1}, SHAPE, DTYPE)
    store.remember_user(Path("/runs/never"))
    store.add([digest(1)], row(1)[None])
    for run in ("/runs/我的 run", "/runs/b", "/runs/b"):
        store.remember_user(Path(run))
    assert runs_of(tmp_path / fingerprint({"a": 1})) == ["/runs/我的 run", "/runs/b"]
