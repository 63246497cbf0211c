"""Where the answers of `predict` come from: a model file, or a run and what is stored of its features."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from tl_keras.core.geometry import Geometry
from tl_keras.core.tensorflow_setup import import_tensorflow
from tl_keras.core.types import Pixels
from tl_keras.inference.open import open_model
from tl_keras.inference.predictor import Floats, Predictor
from tl_keras.runs.folder import RunFolder

BATCH_SIZE = 32


@dataclass(frozen=True, slots=True)
class PendingImage:
    """An image on its way to an answer.

    Attributes:
        path: As it was given or found.
        sha256: Of its content.
        pixels: uint8 [H, W, 3]; None where its features are known, or it is broken.
        error: Why it cannot be read, or empty.
    """

    path: str
    sha256: str = ""
    pixels: Pixels | None = None
    error: str = ""


class BatchPredictor(Protocol):
    """Probabilities for images.

    Attributes:
        geometry: The input size, and how images are brought to it.
        labels: Class names.
        known: SHA-256 of images that need not be decoded.
        batch_size: How many images are best answered at once.
    """

    geometry: Geometry
    labels: tuple[str, ...]
    known: Container[str]
    batch_size: int

    def __call__(self, images: list[PendingImage]) -> Floats:
        """Return float32 [n, classes] for 1 to `batch_size` readable images."""


def batch_predictor(model: Path, *, many: bool) -> BatchPredictor:
    """Return the answers of a run or a model file.

    Args:
        model: What `predict` was given.
        many: Whether it pays to get ready for speed, and to look up what is stored.
    """
    run = RunFolder(model)
    if not run.model_file.is_file():
        return FilePredictor(open_model(model))
    if many and not run.missing_files():
        return CachedRunPredictor(model)
    return FilePredictor(open_model(run.model_file))


class FilePredictor:
    """Answers of any shipped model."""

    def __init__(self, predictor: Predictor) -> None:
        info = predictor.info
        self._predictor = predictor
        self.geometry = info.geometry if info else Geometry(*predictor.input_shape)
        self.labels = info.labels if info else tuple(f"class {i}" for i in range(predictor.output_classes))
        self.known: Container[str] = ()
        self.batch_size = BATCH_SIZE

    def __call__(self, images: list[PendingImage]) -> Floats:
        return self._predictor(np.stack([image.pixels for image in images if image.pixels is not None]))


class CachedRunPredictor:
    """Answers of a run: stored features go straight into its head."""

    def __init__(self, folder: Path) -> None:
        import_tensorflow()
        import tensorflow as tf

        from tl_keras.features.cached_backbone import cached_trunk
        from tl_keras.models.classifier import head_of, trunk_of
        from tl_keras.runs.run import open_run

        run, classifier = open_run(folder)
        self.geometry, self.labels = run.info.geometry, run.info.labels
        cached = cached_trunk(trunk_of(classifier), run.config, self.geometry)
        head = head_of(classifier)
        self._cached = cached
        self._head = tf.function(lambda rows: head(rows, training=False), reduce_retracing=True)
        self.known: Container[str] = cached.stored
        self.batch_size = cached.extractor.batch_size
        cached.remember_user(folder)

    def __call__(self, images: list[PendingImage]) -> Floats:
        rows = np.empty((len(images), *self._cached.extractor.shape), self._cached.extractor.dtype)
        new = np.array([image.pixels is not None for image in images])
        if new.any():
            pixels = np.stack([image.pixels for image in images if image.pixels is not None])
            rows[new] = self._cached.extractor(pixels)
        if not new.all():
            known = [image.sha256 for image in images if image.pixels is None]
            rows[~new] = self._cached.stored.read(self._cached.stored.locate(known))
        return np.asarray(self._head(rows))
