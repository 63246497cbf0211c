"""Opening images over all cores, in order, a little ahead of whoever uses them."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from tl_keras.data.decode import decode, read_bytes
from tl_keras.data.example import Example
from tl_keras.errors import BadImage
from tl_keras.geometry import Geometry

Pixels = npt.NDArray[np.uint8]
Given = TypeVar("Given")
Made = TypeVar("Made")

AHEAD_IMAGES, AHEAD_BYTES = 128, 256 * 2**20
"""Decoded images that wait to be used: a few batches, and no more than this."""


def check(
    examples: Iterable[Example], geometry: Geometry, on_progress: Callable[[int], None] | None = None
) -> list[Example]:
    """Read and decode every image.

    Args:
        examples: As a source lists them.
        geometry: The model's input, as images will be decoded for it.
        on_progress: Called with the number of images done since the last call, in the caller's thread.

    Returns:
        The examples in the same order with `sha256` (empty if the file cannot be read) and `problem`.
    """
    checked = []
    for example, _ in opened(examples, geometry):
        checked.append(example)
        if on_progress:
            on_progress(1)
    return checked


def opened(
    examples: Iterable[Example], geometry: Geometry, known: Container[str] = ()
) -> Iterator[tuple[Example, Pixels | None]]:
    """Yield every example with `sha256` and `problem`, and its pixels, uint8 [H, W, 3].

    Args:
        examples: In the order in which they are yielded.
        geometry: The model's input size.
        known: SHA-256 of contents that need not be decoded; these come without pixels, as broken images do.
    """
    return in_threads(lambda example: _open(example, geometry, known), examples, decoded_bytes(geometry))


def decoded_bytes(geometry: Geometry) -> int:
    """Return the bytes of a decoded image."""
    return geometry.height * geometry.width * 3


def in_threads(
    work: Callable[[Given], Made],
    items: Iterable[Given],
    size: int,
    at_once: Callable[[Given], bool] = lambda _: False,
) -> Iterator[Made]:
    """Yield `work(item)` in order, done in one thread per core, as far ahead as memory allows.

    Args:
        work: What is done.
        items: To what.
        size: Bytes of one result.
        at_once: For which items it is not worth the trouble of handing them to a thread, if none is at work.
    """
    threads = os.cpu_count() or 1
    ahead = max(2 * threads, min(AHEAD_IMAGES, AHEAD_BYTES // size))
    pool = ThreadPoolExecutor(threads, thread_name_prefix="decode")
    waiting: deque[Future[Made]] = deque()
    try:
        for item in items:
            if at_once(item) and not waiting:
                yield work(item)
                continue
            waiting.append(pool.submit(work, item))
            while len(waiting) >= ahead or (waiting and waiting[0].done()):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)  # after Ctrl-C too: no more than the images begun are waited for


def _open(example: Example, geometry: Geometry, known: Container[str]) -> tuple[Example, Pixels | None]:
    digest = ""
    try:
        data = read_bytes(example.path)
        digest = hashlib.sha256(data).hexdigest()
        pixels = None if digest in known else decode(data, geometry)
    except BadImage as error:
        return replace(example, sha256=digest, problem=str(error)), None
    return replace(example, sha256=digest, problem=""), pixels
