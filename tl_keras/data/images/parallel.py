"""Work on images over all cores, in order, a little ahead of whoever uses the results."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from tl_keras.core.geometry import Geometry

Given = TypeVar("Given")
Made = TypeVar("Made")

AHEAD_IMAGES, AHEAD_BYTES = 128, 256 * 2**20
"""Decoded images that wait to be used: a few batches, and no more than this."""


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
        at_once: Which items are done in the caller's thread, if no other is at work.
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
        pool.shutdown(cancel_futures=True)  # after Ctrl-C too: only images already in work are waited for
