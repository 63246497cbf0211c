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
from tl_keras.features.chunk import KEY_BYTES
from tl_keras.features.extract import extract, extract_checked, extract_view
from tl_keras.features.extractor import FeatureExtractor
from tl_keras.features.loader import FeatureLoader
from tl_keras.features.store import Store, fingerprint, open_store
from tl_keras.features.views import View, about_view
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
        augment: How views are changed, and how many there are.
        runtime: For dtype, budget, and the seed of views.

    Attributes:
        extractor: The network.
        stored: The rows of images as they are.
    """

    def __init__(
        self,
        model: keras.Model,
        about: Mapping[str, Any],
        geometry: Geometry,
        augment: AugmentConfig,
        runtime: RuntimeConfig,
    ) -> None:
        self._geometry = geometry
        self._budget = runtime.store_gb * 2**30
        self._root = features_dir()
        resizing = [geometry.height, geometry.width, geometry.resize, geometry.crop_fraction]
        about = {**about, "resizing": resizing, "decoding": DECODING}
        self.extractor = FeatureExtractor(model, about, runtime.feature_dtype)
        self._augment = augment
        self._seed = runtime.seed
        self._views = range(1, augment.stored_views + 1)
        self._view_stores: list[Store] = []
        self._folders = [self._root / fingerprint(self._about(view)) for view in (None, *self._views)]
        self.stored = self._open(None)

    @property
    def row_bytes(self) -> int:
        """Size of one image's row."""
        return math.prod(self.extractor.shape) * self.extractor.dtype.itemsize

    def reserve(self, examples: Iterable[Example], views_of: Iterable[Example] = ()) -> bool:
        """Make room for the rows that are not stored yet; say so and return False where there is too little.

        Stores of others that were used least recently go. All workers must call this: where one of them has
        too little room, none is to store, since all need to train the same part.

        Args:
            examples: Images, by the hashes that they had when they were checked.
            views_of: Those of them whose views are wanted too.
        """
        varied = list(views_of)
        missing = _missing(examples, self.stored)
        missing += sum(_missing(varied, store) for store in self._opened_views())
        needed = missing * (self.row_bytes + 2 * KEY_BYTES)
        fits = self._make_room(needed)
        all_fit = not any_of_workers(not fits)
        if not all_fit:
            _say_no_room(needed, "another worker has " if fits else "")
        return all_fit

    def check_and_compute(self, examples: Sequence[Example]) -> list[Example]:
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
        checked = self.check_and_compute(examples)
        broken = [example for example in checked if not example.is_used]
        if broken:
            others = f"\n{len(broken) - 1} more cannot be read either." if len(broken) > 1 else ""
            raise DataError(f"{broken_since(broken[0].path, broken[0].problem)}{others}")
        changed = sum(old.sha256 != new.sha256 for old, new in zip(examples, checked, strict=True))
        if changed:
            warn(f"{changed} of {len(checked)} images have changed since the run was trained.")
        return checked

    def compute_views(self, examples: Sequence[Example]) -> None:
        """Store the rows of changed copies of checked images, `augment.stored_views` of each.

        Raises:
            DataError: One cannot be read any more, or has changed.
        """
        for number, store in zip(self._views, self._opened_views(), strict=True):
            view = View(self._augment, self._seed, number)
            title = f"computing features of view {number}/{len(self._views)}"
            with progress(title, len(examples)) as advance:
                extract_view(examples, self._geometry, self.extractor, store, view, advance)

    def loader(
        self, examples: Sequence[Example], classes: Sequence[str], task: Task, *, views: bool = False
    ) -> FeatureLoader:
        """Return a loader of images that have been computed, as they are or with their views."""
        stores = [self.stored, *(self._view_stores if views else ())]
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
        """Remember which run uses these features; only the chief does."""
        if is_chief():
            for store in (self.stored, *self._view_stores):
                store.remember_user(run.absolute())

    def _opened_views(self) -> list[Store]:
        if not self._view_stores:
            self._view_stores = [self._open(view) for view in self._views]
        return self._view_stores

    def _open(self, view: int | None) -> Store:
        extractor = self.extractor
        return open_store(self._root, self._about(view), extractor.shape, extractor.dtype, self._make_room)

    def _about(self, view: int | None) -> dict[str, Any]:
        """Return all that the rows of a view depend on besides the image; None: of images as they are."""
        if view is None:
            return self.extractor.about
        return {**self.extractor.about, "augment": about_view(self._augment, self._seed, view)}

    def _make_room(self, needed: int) -> bool:
        """Return whether the disk and the budget have so many bytes, which may take the place of others'."""
        return evict_until_fits(self._root, needed, self._budget, keep=self._folders)


def _missing(examples: Iterable[Example], store: Store) -> int:
    return len({example.sha256 for example in examples if example.sha256 not in store})


def _say_new(examples: Sequence[Example], new: int) -> None:
    contents = len({example.sha256 for example in examples})
    say(f"features of {contents} different images: {contents - new} were stored, {new} are new")


def cached_trunk(trunk: keras.Model, config: Config, geometry: Geometry) -> CachedBackbone:
    """Return everything below the head: the network of `build_trunk` or `trunk_of`."""
    about = _network(config, f"pooling {config.model.pooling}")
    return CachedBackbone(trunk, about, geometry, config.augment, config.runtime)


def cached_below(split: BoundarySplit, config: Config, geometry: Geometry) -> CachedBackbone | None:
    """Return everything below the freeze boundary, or None where that is too little to be worth it."""
    about = _network(config, split.layer)
    below = CachedBackbone(split.frozen, about, geometry, config.augment, config.runtime)
    return below if below.row_bytes <= MAX_ROW_TO_PIXELS * geometry.height * geometry.width * 3 else None


def _say_no_room(needed: int, who: str) -> None:
    size = f"{needed / 2**30:.1f} GiB" if needed > 2**30 else f"{needed / 2**20:.1f} MiB"
    say(
        f"{who}no room to store {size} of activations within runtime.store_gb, or on the disk: "
        f"{features_dir()}: whole images go through the whole network in every epoch (see: tlk cache)"
    )


def _network(config: Config, cut: str) -> dict[str, Any]:
    backbone = find(config.model.backbone)
    return {
        "backbone": backbone.name,
        "options": config.model.options,
        "preprocessing": f"{backbone.preprocessing}, {PREPROCESSING}",
        "cut": cut,
    }
