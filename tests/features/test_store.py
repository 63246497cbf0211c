"""What was stored comes back as it was, or not at all."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
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
    suffixes = sorted(path.suffix for path in (tmp_path / "s").iterdir())
    assert suffixes == [".json", ".keys", ".keys", ".npy", ".npy"]


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
    here = [n for n in range(8) if digest(n) in store]
    assert here in ([0, 1, 2, 3, 4], [5, 6, 7]) and len(store) == len(here) and not file.exists()
    np.testing.assert_array_equal(read(store, here), np.stack([row(n) for n in here]))


@pytest.mark.parametrize("left", [0, 1, 60, 200])
def test_a_truncated_file_is_noticed_and_said(tmp_path, left, capfd):
    filled(tmp_path / "s")
    file = sorted((tmp_path / "s").glob("*.npy"))[0]
    file.write_bytes(file.read_bytes()[:left])
    assert len(opened(tmp_path / "s")) in (3, 5)
    assert "damaged" in capfd.readouterr().err and not file.exists()


def reads_of(monkeypatch) -> list[str]:
    """Note the files that are hashed from now on."""
    hashed: list[str] = []
    digest_of = hashlib.file_digest

    def noted(stream, name):
        hashed.append(Path(stream.name).name)
        return digest_of(stream, name)

    monkeypatch.setattr(hashlib, "file_digest", noted)
    return hashed


def test_opening_reads_no_rows_and_each_chunk_is_verified_once_when_it_is_used(tmp_path, monkeypatch):
    filled(tmp_path / "s")
    hashed = reads_of(monkeypatch)
    store = opened(tmp_path / "s")
    assert len(store) == 8 and digest(99) not in store and hashed == []
    assert digest(6) in store and digest(7) in store
    np.testing.assert_array_equal(read(store, [7, 5]), np.stack([row(7), row(5)]))
    assert len(hashed) == 1
    np.testing.assert_array_equal(read(store, [0]), row(0)[None])
    assert len(hashed) == len(set(hashed)) == 2


def damaged(folder: Path, number: int) -> Path:
    """Flip a bit of an image's row and return its file."""
    (file,) = [file for file in folder.glob("*.npy") if bytes.fromhex(digest(number)) in file.read_bytes()]
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    return file


def test_damage_is_noticed_before_a_row_is_used_and_only_there(tmp_path, capfd):
    filled(tmp_path / "s")
    file = damaged(tmp_path / "s", 6)
    store = opened(tmp_path / "s")
    assert digest(1) in store and capfd.readouterr().err == ""
    assert digest(5) not in store and "1 damaged file of stored features" in capfd.readouterr().err
    assert not file.exists() and not file.with_suffix(".keys").exists()
    with pytest.raises(KeyError, match=digest(7)):
        store.locate([digest(0), digest(7)])
    store.add([digest(n) for n in range(5, 8)], np.stack([row(n) for n in range(5, 8)]))
    np.testing.assert_array_equal(read(store, [7, 0]), np.stack([row(7), row(0)]))
    assert file.exists() and len(opened(tmp_path / "s")) == 8


def test_many_threads_that_ask_at_once_verify_once(tmp_path, monkeypatch, capfd):
    chunks = tuple(range(4 * n, 4 * n + 4) for n in range(12))
    filled(tmp_path / "s", chunks)
    for number in (3, 22):
        damaged(tmp_path / "s", number)
    store, hashed = opened(tmp_path / "s"), reads_of(monkeypatch)
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(store.__contains__, digest(n)) for n in range(48)]
        store.add([digest(100)], row(100)[None])
        here = [n for n, answer in enumerate(asked) if answer.result()]
    assert here == [n for n in range(48) if n not in (0, 1, 2, 3, 20, 21, 22, 23)]
    assert len(hashed) == len(set(hashed)) == 12
    assert capfd.readouterr().err.count("damaged") == 2
    np.testing.assert_array_equal(read(store, [*here, 100]), np.stack([row(n) for n in [*here, 100]]))


def as_before(folder: Path) -> None:
    """Write a store as tl_keras did before it had keys."""
    folder.mkdir()
    for numbers in (range(5), range(5, 8)):
        table = np.empty(len(numbers), [("sha256", "V32"), ("row", DTYPE, SHAPE)])
        table["sha256"] = [np.void(bytes.fromhex(digest(n))) for n in numbers]
        table["row"] = [row(n) for n in numbers]
        np.save(folder / "a.npy", table)
        name = hashlib.sha256((folder / "a.npy").read_bytes()).hexdigest()[:24]
        (folder / "a.npy").rename(folder / f"{name}.npy")


def test_stores_of_before_are_read_whole_once_and_then_no_more(tmp_path, monkeypatch):
    as_before(tmp_path / "s")
    first = opened(tmp_path / "s")
    np.testing.assert_array_equal(read(first, [7, 0]), np.stack([row(7), row(0)]))
    hashed = reads_of(monkeypatch)
    assert len(opened(tmp_path / "s")) == 8 and hashed == []


@pytest.mark.parametrize("content", [None, b"", b"short", b"x" * (5 * 32 + 32)])
def test_keys_that_are_missing_or_damaged_are_made_anew(tmp_path, content):
    filled(tmp_path / "s")
    for file in (tmp_path / "s").glob("*.keys"):
        file.unlink() if content is None else file.write_bytes(content)
    np.testing.assert_array_equal(read(opened(tmp_path / "s"), [7, 0]), np.stack([row(7), row(0)]))
    assert len(opened(tmp_path / "s")) == 8
    sizes = sorted(file.stat().st_size for file in (tmp_path / "s").glob("*.keys"))
    assert sizes == [32 * 3 + 32, 32 * 5 + 32]


def test_keys_of_another_chunk_are_not_taken_for_its_own(tmp_path):
    store = filled(tmp_path / "s", (range(4), range(4, 8)))
    one, other = sorted((tmp_path / "s").glob("*.keys"))
    one.write_bytes(other.read_bytes())
    store = opened(tmp_path / "s")
    np.testing.assert_array_equal(read(store, list(range(8))), np.stack([row(n) for n in range(8)]))


def test_what_goes_between_opening_and_use_is_not_there(tmp_path, capfd):
    filled(tmp_path / "s")
    store = opened(tmp_path / "s")
    for file in (tmp_path / "s").iterdir():
        file.unlink()
    assert digest(3) not in store and capfd.readouterr().err == ""
    store.add([digest(3)], row(3)[None])
    np.testing.assert_array_equal(read(store, [3]), row(3)[None])


def test_what_another_process_merges_between_opening_and_use_is_found(tmp_path):
    chunks = tuple(range(n, n + 1) for n in range(70))
    filled(tmp_path / "s", chunks)
    store, other = opened(tmp_path / "s"), opened(tmp_path / "s")
    other.merge()
    assert digest(33) in store
    np.testing.assert_array_equal(read(store, [69, 3]), np.stack([row(69), row(3)]))


def test_damaged_files_are_not_merged(tmp_path, capfd):
    filled(tmp_path / "s", tuple(range(n, n + 1) for n in range(70)))
    damaged(tmp_path / "s", 33)
    store = opened(tmp_path / "s")
    store.merge()
    assert digest(33) not in store and len(store) == 69 and "damaged" in capfd.readouterr().err
    assert sorted(path.suffix for path in (tmp_path / "s").iterdir()) == [".json", ".keys", ".npy"]


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


def test_runs_that_end_at_once_are_all_remembered(tmp_path):
    filled(tmp_path / "s")
    stores = [opened(tmp_path / "s") for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        for number, store in enumerate(stores):
            pool.submit(
                lambda n, s: [s.remember_user(Path(f"/runs/{n}-{i}")) for i in range(10)], number, store
            )
    assert sorted(runs_of(tmp_path / "s")) == sorted(f"/runs/{n}-{i}" for n in range(8) for i in range(10))
