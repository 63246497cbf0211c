"""`predict`: any shipped model, any number of images, one answer per image."""

from __future__ import annotations

import glob
import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tl_keras.data.images.decode import decode
from tl_keras.data.images.parallel import decoded_bytes, in_threads
from tl_keras.data.images.read import read_image
from tl_keras.data.listing import image_files
from tl_keras.errors import DataError
from tl_keras.runs.predictor import BATCH_SIZE, BatchPredictor, PendingImage, batch_predictor


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer for one image.

    Attributes:
        path: As it was given or found.
        labels: The most probable classes, best first; empty when there is an error.
        scores: Their probabilities.
        error: Why there is no answer, or empty.
    """

    path: str
    labels: tuple[str, ...] = ()
    scores: tuple[float, ...] = ()
    error: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        if self.error:
            return {"path": self.path, "error": self.error}
        best = zip(self.labels, self.scores, strict=True)
        return {"path": self.path, "classes": [{"label": label, "score": score} for label, score in best]}


def predict(model: str | Path, images: Iterable[str | Path], *, top: int = 5) -> Iterator[Prediction]:
    """Yield one answer per image, in order, in constant memory.

    A run does not compute again what is stored of an image from training or evaluation.

    Args:
        model: A run, a `.keras`, a SavedModel folder, a `.tflite` or an `.onnx`.
        images: Files, folders (searched with their subfolders) and globs.
        top: How many classes to name.

    Raises:
        ModelError: `model` is not a model.
        DataError: `images` names nothing at all. A file that is no image is an answer with an error.
    """
    paths = find_images(images)
    first = list(itertools.islice(paths, BATCH_SIZE + 1))
    answers = batch_predictor(Path(model), many=len(first) > BATCH_SIZE)
    return _predictions(answers, itertools.chain(first, paths), top)


def find_images(images: Iterable[str | Path]) -> Iterator[str]:
    """Yield the paths that files, folders and globs stand for.

    Raises:
        DataError: There are none.
    """
    paths = itertools.chain.from_iterable(_expand(str(image)) for image in images)
    first = next(paths, None)
    if first is None:
        raise DataError("No images given: name files, folders, globs, or - to read paths from stdin.")
    return itertools.chain([first], paths)


def _expand(image: str) -> Iterator[str]:
    path = Path(image).expanduser()
    found: Iterator[str]
    if path.is_dir():
        found = map(str, image_files(path))
    elif not path.exists() and glob.has_magic(image):
        found = iter(sorted(glob.glob(str(path), recursive=True)))
    else:
        return iter([str(path)])
    first = next(found, None)
    if first is None:
        raise DataError(f"No images in {image}.")
    return itertools.chain([first], found)


def _predictions(answers: BatchPredictor, paths: Iterator[str], top: int) -> Iterator[Prediction]:
    waiting: list[PendingImage] = []
    for opened in in_threads(lambda path: _open(path, answers), paths, decoded_bytes(answers.geometry)):
        waiting.append(opened)
        if len(waiting) == answers.batch_size:
            yield from _answered(waiting, answers, top)
            waiting = []
    yield from _answered(waiting, answers, top)


def _open(path: str, answers: BatchPredictor) -> PendingImage:
    found = read_image(path, lambda data: decode(data, answers.geometry), answers.known)
    return PendingImage(path, found.sha256, found.decoded, str(found.fault or ""))


def _answered(images: list[PendingImage], answers: BatchPredictor, top: int) -> Iterator[Prediction]:
    good = [image for image in images if not image.error]
    scores = iter(answers(good) if good else ())
    for image in images:
        if image.error:
            yield Prediction(image.path, error=image.error)
        else:
            yield _best(image.path, next(scores), answers.labels, top)


def _best(path: str, scores: npt.NDArray[np.float32], labels: tuple[str, ...], top: int) -> Prediction:
    order = np.argsort(-scores, kind="stable")[:top]
    return Prediction(path, tuple(labels[i] for i in order), tuple(float(scores[i]) for i in order))
