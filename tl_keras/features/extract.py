"""Filling a store: decoding and the network at the same time, what is there already left out."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from tl_keras.core.console import say
from tl_keras.core.geometry import Geometry
from tl_keras.core.types import Pixels
from tl_keras.data.decode_examples import decode_examples
from tl_keras.data.example import Example
from tl_keras.data.images.decode import broken_since
from tl_keras.data.images.parallel import decoded_bytes, in_threads
from tl_keras.features.budget import lock_of
from tl_keras.features.chunk import Rows
from tl_keras.features.extractor import FeatureExtractor
from tl_keras.features.store import Store
from tl_keras.features.views import View

CHUNK_SECONDS, CHUNK_SHARE, CHUNK_BYTES = 5.0, 0.05, 64 * 2**20
"""A killed extraction loses so many seconds, or that share of its time if that is more, and no more bytes."""

Progress = Callable[[int], None]


def extract(
    examples: Sequence[Example],
    geometry: Geometry,
    extractor: FeatureExtractor,
    store: Store,
    on_progress: Progress,
) -> tuple[list[Example], int]:
    """Check every image, and store the rows of those that are readable and not stored yet.

    Returns:
        The examples in the same order with `sha256` and `problem`, as `check` gives them, and how many
        rows are new.
    """
    checked: list[Example] = []

    def new() -> Iterator[tuple[str, Pixels]]:
        for example, pixels in decode_examples(examples, geometry, known=store):
            checked.append(example)
            on_progress(1)
            if pixels is not None:
                yield example.sha256, pixels

    with _alone(store, examples):
        return checked, _fill(store, extractor, new())


def extract_checked(
    examples: Sequence[Example],
    geometry: Geometry,
    extractor: FeatureExtractor,
    store: Store,
    on_progress: Progress,
) -> int:
    """Store the rows of images that were checked before and are not stored yet; return how many are new.

    Raises:
        DataError: One cannot be read any more, or has changed.
    """

    def decoded(missing: Sequence[Example]) -> Iterator[tuple[str, Pixels]]:
        for example, (now, pixels) in zip(missing, decode_examples(missing, geometry), strict=True):
            if pixels is None or now.sha256 != example.sha256:
                raise broken_since(example.path, now.problem or "its content has changed")
            yield example.sha256, pixels

    return _fill_missing(examples, extractor, store, decoded, on_progress)


def extract_view(
    examples: Sequence[Example], geometry: Geometry, extractor: FeatureExtractor, store: Store, view: View,
    on_progress: Progress,
) -> None:  # fmt: skip
    """Store the rows of a changed copy of every image that is not stored yet."""

    def changed(missing: Sequence[Example]) -> Iterator[tuple[str, Pixels]]:
        return in_threads(lambda e: (e.sha256, view.pixels(e, geometry)), missing, decoded_bytes(geometry))

    _fill_missing(examples, extractor, store, changed, on_progress)


def _fill_missing(
    examples: Sequence[Example],
    extractor: FeatureExtractor,
    store: Store,
    images_of: Callable[[Sequence[Example]], Iterator[tuple[str, Pixels]]],
    on_progress: Progress,
) -> int:
    """Store the rows of the (hash, pixels) of examples that are not there yet; return how many they are."""

    def new() -> Iterator[tuple[str, Pixels]]:
        missing = [example for example in examples if example.sha256 not in store]
        on_progress(len(examples) - len(missing))
        for image in images_of(missing):
            on_progress(1)
            yield image

    with _alone(store, examples):
        return _fill(store, extractor, new())


def _fill(store: Store, extractor: FeatureExtractor, images: Iterable[tuple[str, Pixels]]) -> int:
    """Store the rows of (hash, pixels), batch by batch; an interruption keeps what is done.

    Returns:
        How many there were.
    """
    chunk = _Chunk(store)
    batch: dict[str, Pixels] = {}
    try:
        for sha256, pixels in images:
            if sha256 not in chunk:
                batch[sha256] = pixels
            if len(batch) == extractor.batch_size:
                chunk.add(list(batch), extractor(np.stack(list(batch.values()))))
                batch = {}
        if batch:
            chunk.add(list(batch), extractor(np.stack(list(batch.values()))))
    finally:
        chunk.flush()
    return chunk.added


class _Chunk:
    """Rows on their way into a store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._hashes: dict[str, None] = {}
        self._rows: list[Rows] = []
        self._began = self._since = time.monotonic()
        self.added = 0

    def __contains__(self, sha256: str) -> bool:
        return sha256 in self._hashes or sha256 in self._store

    def add(self, hashes: Sequence[str], rows: Rows) -> None:
        self._hashes |= dict.fromkeys(hashes)
        self._rows.append(rows)
        self.added += len(rows)
        full = sum(rows.nbytes for rows in self._rows) >= CHUNK_BYTES
        now = time.monotonic()
        if full or now - self._since >= max(CHUNK_SECONDS, CHUNK_SHARE * (now - self._began)):
            self.flush()

    def flush(self) -> None:
        if self._rows:
            self._store.add(list(self._hashes), np.concatenate(self._rows))
        self._hashes, self._rows, self._since = {}, [], time.monotonic()


@contextmanager
def _alone(store: Store, examples: Sequence[Example]) -> Iterator[None]:
    """Let one process at a time fill a store with the same images: the next one finds them there."""
    lock = store.folder and _acquired(store.folder, examples)
    if not lock:
        yield
        return
    try:
        store.refresh()
        store.merge()
        yield
    finally:
        lock.release()


def _acquired(folder: Path, examples: Sequence[Example]) -> FileLock | None:
    """Return the lock of a store, or None where nothing can be written: then nothing will be."""
    paths = "\n".join(sorted(example.path for example in examples))
    lock = lock_of(folder, hashlib.sha256(paths.encode()).hexdigest()[:16])
    try:
        Path(lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        say("another tlk computes the same features; waiting for it")
        lock.acquire()
    except OSError:
        return None
    return lock
