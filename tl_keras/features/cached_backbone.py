"""The frozen part of a network together with what is stored of it: each image goes through it once."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tl_keras.config.schema import AugmentConfig, Config, RuntimeConfig
from tl_keras.core.console import progress, say, warn
from tl_keras.core.geometry import Geometry
from tl_keras.core.types import Task
from tl_keras.data.example import Example
from tl_keras.data.images.decode import DECODING, broken_since
from tl_keras.distributed.collectives import any_of_workers, is_chief
from tl_keras.errors import DataError
from tl_keras.features.budget import evict_until_fits, features_dir
from tl_keras.features.extract import extract, extract_checked, extract_view
from tl_keras.features.extractor import FeatureExtractor
from tl_keras.features.loader import FeatureLoader
from tl_keras.features.store import KEY_BYTES, Store, open_store
from tl_keras.features.views import View
from tl_keras.models.backbones import find
from tl_keras.models.freeze_boundary import BoundarySplit
from tl_keras.models.preprocessing import PREPROCESSING

MAX_ROW_TO_PIXELS = 16
"""A row that is so many times as large as the image's pixels is not worth storing: little lies below it."""


class CachedBackbone:
    """Checks images and stores their features, in one pass; what is stored already is not computed again.

    Args:
        model: From uint8 [batch, H, W, 3] to activations.
        about: What the activations depend on besides weights, images and how these are decoded.
        geometry: The model's input size.
        runtime: For dtype and budget.

    Attributes:
        extractor: The network.
        stored: The rows of images as they are.
    """

    def __init__(
        self, model: keras.Model, about: Mapping[str, Any], geometry: Geometry, runtime: RuntimeConfig
    ) -> None:
        self._geometry = geometry
        self._budget = runtime.store_gb * 2**30
        self._root = features_dir()
        resizing = [geometry.height, geometry.width, geometry.resize, geometry.crop_fraction]
        about = {**about, "resizing": resizing, "decoding": DECODING}
        self.extractor = FeatureExtractor(model, about, runtime.feature_dtype)
        self.stored = self._open({})
        self._views: list[Store] = []

    @property
    def row_bytes(self) -> int:
        """Size of one image's row."""
        return math.prod(self.extractor.shape) * self.extractor.dtype.itemsize

    def make_room(self, rows: int) -> bool:
        """Return whether the disk and the budget have room for so many rows more."""
        return self._has_room(rows * (self.row_bytes + KEY_BYTES))

    def reserve(
        self, examples: Sequence[Example], train: Sequence[Example], augment: AugmentConfig, seed: int
    ) -> bool:
        """Interim."""
        views = augment.stored_views * len(train)
        del seed
        return not any_of_workers(not has_room(self, self.missing(examples) + views))

    def missing(self, examples: Iterable[Example]) -> int:
        """Return how many of these images, by the hashes they had when they were checked, are not stored."""
        return len({example.sha256 for example in examples if example.sha256 not in self.stored})

    def check(self, examples: Sequence[Example]) -> list[Example]:
        """Check every image and store its row; return the examples with `sha256` and `skipped`."""
        with progress("computing features", len(examples)) as advance:
            checked, new = extract(examples, self._geometry, self.extractor, self.stored, advance)
        _say_new([example for example in checked if example.is_used], new)
        return checked

    def compute(self, examples: Sequence[Example]) -> None:
        """Store the rows of images that have been checked.

        Raises:
            DataError: One cannot be read any more, or has changed.
        """
        with progress("computing features", len(examples)) as advance:
            new = extract_checked(examples, self._geometry, self.extractor, self.stored, advance)
        _say_new(examples, new)

    def refresh(self, examples: Sequence[Example]) -> list[Example]:
        """Store the rows of images that were readable before; say so if they have changed since.

        Raises:
            DataError: One cannot be read any more.
        """
        checked = self.check(examples)
        broken = [example for example in checked if not example.is_used]
        if broken:
            others = f"\n{len(broken) - 1} more cannot be read either." if len(broken) > 1 else ""
            raise DataError(f"{broken_since(broken[0].path, broken[0].problem)}{others}")
        changed = sum(old.sha256 != new.sha256 for old, new in zip(examples, checked, strict=True))
        if changed:
            warn(f"{changed} of {len(checked)} images have changed since the run was trained.")
        return checked

    def compute_views(self, examples: Sequence[Example], augment: AugmentConfig, seed: int) -> None:
        """Store the rows of changed copies of checked images, `augment.stored_views` of each."""
        for number in range(1, augment.stored_views + 1):
            view = View(augment, seed, number)
            store = self._open({"augment": view.about})
            self._views.append(store)
            with progress(
                f"computing features of view {number}/{augment.stored_views}", len(examples)
            ) as advance:
                extract_view(examples, self._geometry, self.extractor, store, view, advance)

    def loader(
        self, examples: Sequence[Example], classes: Sequence[str], task: Task, *, views: bool = False
    ) -> FeatureLoader:
        """Return a loader of checked images, as they are or with their views."""
        stores = [self.stored, *(self._views if views else ())]
        return FeatureLoader(examples, classes, task, stores)

    def seconds_per_image(self) -> float:
        """Return how long the network takes for an image, measured now on one batch."""
        batch = np.zeros(
            (self.extractor.batch_size, self._geometry.height, self._geometry.width, 3), np.uint8
        )
        self.extractor(batch)  # the first call compiles
        started = time.perf_counter()
        self.extractor(batch)
        return (time.perf_counter() - started) / len(batch)

    def remember_user(self, run: Path) -> None:
        """Remember which run uses these features."""
        if is_chief():
            for store in (self.stored, *self._views):
                store.remember_user(run.absolute())

    def _open(self, more: Mapping[str, Any]) -> Store:
        extractor = self.extractor
        about = {**extractor.about, **more}
        return open_store(self._root, about, extractor.shape, extractor.dtype, self._has_room)

    def _has_room(self, needed: int) -> bool:
        mine = [store.folder for store in (self.stored, *self._views) if store.folder is not None]
        return evict_until_fits(self._root, needed, self._budget, keep=mine)


def _say_new(examples: Sequence[Example], new: int) -> None:
    contents = len({example.sha256 for example in examples})
    say(f"features of {contents} different images: {contents - new} were stored, {new} are new")


def frozen_trunk(trunk: keras.Model, config: Config, geometry: Geometry) -> CachedBackbone:
    """Return everything below the head: the network of `build_trunk` or `trunk_of`."""
    return CachedBackbone(trunk, _about(config, f"pooling {config.model.pooling}"), geometry, config.runtime)


def frozen_below(cut: BoundarySplit, config: Config, geometry: Geometry) -> CachedBackbone | None:
    """Return everything below the freeze boundary, or None where that is too little to be worth it."""
    frozen = CachedBackbone(cut.frozen, _about(config, cut.layer), geometry, config.runtime)
    return frozen if frozen.row_bytes <= MAX_ROW_TO_PIXELS * geometry.height * geometry.width * 3 else None


def has_room(frozen: CachedBackbone, rows: int) -> bool:
    """Return whether so many rows can be stored; say so if not."""
    if frozen.make_room(rows):
        return True
    needed = rows * frozen.row_bytes
    size = f"{needed / 2**30:.1f} GiB" if needed > 2**30 else f"{needed / 2**20:.1f} MiB"
    say(
        f"no room to store {size} of activations within runtime.store_gb, or on the disk: {features_dir()}: "
        "whole images go through the whole network in every epoch (see: tlk cache)"
    )
    return False


def _about(config: Config, cut: str) -> dict[str, Any]:
    backbone = find(config.model.backbone)
    return {
        "backbone": backbone.name,
        "options": config.model.options,
        "preprocessing": f"{backbone.preprocessing}, {PREPROCESSING}",
        "cut": cut,
    }
