"""Opening every image once before anything is trained on it."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

from tl_keras.data.decode import decode, read_bytes
from tl_keras.data.example import Example
from tl_keras.errors import BadImage
from tl_keras.geometry import Geometry

IN_FLIGHT_PER_THREAD = 8


def check(
    examples: Iterable[Example], geometry: Geometry, on_progress: Callable[[int], None] | None = None
) -> list[Example]:
    """Read and decode every image, over all cores.

    Args:
        examples: As a source lists them.
        geometry: The model's input, as images will be decoded for it.
        on_progress: Called with the number of images done since the last call, in the caller's thread.

    Returns:
        The examples in the same order with `sha256` (empty if the file cannot be read) and `problem`.
    """
    threads = os.cpu_count() or 1
    pool = ThreadPoolExecutor(threads, thread_name_prefix="check")
    waiting: deque[Future[Example]] = deque()
    checked: list[Example] = []

    def take() -> None:
        checked.append(waiting.popleft().result())
        if on_progress:
            on_progress(1)

    try:
        for example in examples:
            waiting.append(pool.submit(_checked, example, geometry))
            if len(waiting) >= threads * IN_FLIGHT_PER_THREAD:
                take()
        while waiting:
            take()
    finally:
        pool.shutdown(cancel_futures=True)  # after Ctrl-C too: no more than the images begun are waited for
    return checked


def _checked(example: Example, geometry: Geometry) -> Example:
    digest = ""
    try:
        data = read_bytes(example.path)
        digest = hashlib.sha256(data).hexdigest()
        decode(data, geometry)
    except BadImage as error:
        return replace(example, sha256=digest, problem=str(error))
    return replace(example, sha256=digest, problem="")
