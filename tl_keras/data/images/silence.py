"""Pillow's warnings kept away while we open images, and only then, from any number of threads."""

from __future__ import annotations

import re
import warnings
from threading import Lock
from typing import Any, cast

_IGNORED = ("ignore", None, Warning, re.compile(r"PIL\."), 0)


class PillowSilence:
    """A context in which no warning of Pillow's is shown or becomes an error.

    What it warns of, damage and size, is ours to judge. `warnings.catch_warnings` will not do: a thread that
    leaves it brings back filters that others have changed. Here the first thread to enter puts a filter in,
    and the last one to leave takes it out; nothing else is touched.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._inside = 0
        self._filters: list[Any] = []

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._filters = _current_filters()
                self._filters.insert(0, _IGNORED)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                _take_out(self._filters)
                _take_out(_current_filters())  # a copy, if somebody has entered catch_warnings meanwhile


def _current_filters() -> list[Any]:
    return cast(list[Any], warnings.filters)


def _take_out(filters: list[Any]) -> None:
    for place, one in enumerate(filters):
        if one is _IGNORED:
            del filters[place]
            return
