"""Opening every image once: which can be read, what they are, and what they look like."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tl_keras.config.schema import RuntimeConfig
from tl_keras.core.console import progress
from tl_keras.data.example import Example
from tl_keras.data.images.decode import DECODING, megapixels
from tl_keras.data.images.facts import FACTS, FACTS_VERSION, Facts, facts_of
from tl_keras.data.images.parallel import in_threads
from tl_keras.data.images.read import read_image
from tl_keras.errors import SkipReason
from tl_keras.features.budget import evict_until_fits, features_dir
from tl_keras.features.store import Store, fingerprint, open_store

FLUSH_SECONDS, FLUSH_SHARE = 5.0, 0.05
"""A killed examination loses so many seconds, or that share of its time if that is more."""
SMALL_BYTES = 8192
"""Of smaller files so little is done outside of Python that threads only get into each other's way."""


@dataclass(frozen=True, slots=True)
class ExaminedImages:
    """Images and what was found out about them.

    Attributes:
        examples: In the order given, with `sha256` (empty if the file cannot be read) and `skipped`.
        facts: FACTS [n]; all zero where an image is left out.
    """

    examples: tuple[Example, ...]
    facts: Facts


def examine(examples: Sequence[Example], max_pixels: float, runtime: RuntimeConfig) -> ExaminedImages:
    """Read every image over all cores, with a progress bar; what is known by its content is not decoded.

    Images that the user excludes are passed on unread.

    Args:
        examples: As a source lists them.
        max_pixels: Larger images are left out.
        runtime: For the budget of what is stored.
    """
    store = _facts_store(runtime)
    notes = _Notes(store)
    checked: list[Example] = []

    def look(example: Example) -> tuple[Example, Facts | None]:
        return _look(example, max_pixels, store)

    with progress("inspecting images", len(examples)) as advance:
        try:
            for example, facts in in_threads(look, examples, FACTS.itemsize, at_once=_is_small):
                checked.append(example)
                if facts is not None:
                    notes.add(example.sha256, facts)
                advance(1)
        finally:
            notes.flush()
    return _collected(checked, store, max_pixels)


def _look(example: Example, max_pixels: float, store: Store) -> tuple[Example, Facts | None]:
    """Return the example with its hash or why it is left out, and its facts if they are new."""
    if not example.is_used:
        return example, None
    found = read_image(example.path, lambda data: facts_of(data, max_pixels), store)
    return example.as_read(found.sha256, found.fault), found.decoded


def _is_small(example: Example) -> bool:
    try:
        return os.stat(example.path).st_size < SMALL_BYTES
    except (OSError, ValueError):
        return True


def _collected(examples: Sequence[Example], store: Store, max_pixels: float) -> ExaminedImages:
    facts = np.zeros(len(examples), FACTS)
    good = [index for index, example in enumerate(examples) if example.is_used]
    places = store.locate([examples[index].sha256 for index in good])
    facts[good] = store.read(places).view(FACTS)[:, 0]
    checked = list(examples)
    # Those that were known already have not met this limit.
    for index in np.flatnonzero(facts["width"].astype(np.int64) * facts["height"] > max_pixels):
        checked[index] = checked[index].skip(SkipReason.TOO_LARGE, megapixels(max_pixels))
        facts[index] = np.zeros((), FACTS)
    return ExaminedImages(tuple(checked), facts)


class _Notes:
    """Facts on their way into the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._new: dict[str, Facts] = {}
        self._began = self._since = time.monotonic()

    def add(self, sha256: str, facts: Facts) -> None:
        self._new[sha256] = facts
        now = time.monotonic()
        if now - self._since >= max(FLUSH_SECONDS, FLUSH_SHARE * (now - self._began)):
            self.flush()

    def flush(self) -> None:
        if self._new:
            rows = np.stack(list(self._new.values())).view(np.uint8).reshape(len(self._new), -1)
            self._store.add(list(self._new), rows)
        self._new, self._since = {}, time.monotonic()


def _facts_store(runtime: RuntimeConfig) -> Store:
    root, size = features_dir(), FACTS.itemsize
    about = {
        "what": "facts about image files",
        "version": FACTS_VERSION,
        "decoding": DECODING,
        "shape": [size],
        "dtype": "uint8",
    }
    budget = runtime.store_gb * 2**30
    folder = root / fingerprint(about)
    store = open_store(
        root,
        about,
        (size,),
        np.dtype(np.uint8),
        lambda needed: evict_until_fits(root, needed, budget, [folder]),
    )
    store.merge()
    return store
