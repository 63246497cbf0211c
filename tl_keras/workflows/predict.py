"""`predict`: any shipped model, any number of images, one answer per image."""

from __future__ import annotations

import glob
import itertools
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tl_keras.data.decode import decode
from tl_keras.data.files import image_files
from tl_keras.errors import BadImage, DataError
from tl_keras.geometry import Geometry
from tl_keras.inference.open import open_model
from tl_keras.inference.predictor import Predictor

BATCH_SIZE = 32


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


def predict(model: str | Path, images: Iterable[str | Path], *, top: int = 5) -> Iterator[Prediction]:
    """Yield one answer per image, in order, in constant memory.

    Args:
        model: A run, a `.keras`, a SavedModel folder, a `.tflite` or an `.onnx`.
        images: Files, folders (searched with their subfolders) and globs.
        top: How many classes to name.

    Raises:
        ModelError: `model` is not a model.
        DataError: `images` names nothing at all. A file that is no image is an answer with an error.
    """
    predictor = open_model(_model_file(Path(model)))
    return _answers(predictor, find_images(images), top)


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


def _model_file(model: Path) -> Path:
    """Return the model file of a run; anything else is itself."""
    inside = model / "model.keras"
    return inside if inside.is_file() else model


def _answers(predictor: Predictor, paths: Iterator[str], top: int) -> Iterator[Prediction]:
    height, width = predictor.input_shape
    info = predictor.info
    geometry = info.geometry if info else Geometry(height, width)
    labels = info.labels if info else tuple(f"class {i}" for i in range(predictor.output_classes))
    with ThreadPoolExecutor() as threads:
        while batch := list(itertools.islice(paths, BATCH_SIZE)):
            pixels = list(threads.map(lambda path: _pixels(path, geometry), batch))
            good = [image for image in pixels if not isinstance(image, BadImage)]
            outputs = iter(predictor(np.stack(good)) if good else ())
            for path, image in zip(batch, pixels, strict=True):
                if isinstance(image, BadImage):
                    yield Prediction(path, error=str(image))
                else:
                    yield _best(path, next(outputs), labels, top)


def _pixels(path: str, geometry: Geometry) -> npt.NDArray[np.uint8] | BadImage:
    try:
        return decode(path, geometry)
    except BadImage as error:
        return error


def _best(path: str, scores: npt.NDArray[np.float32], labels: tuple[str, ...], top: int) -> Prediction:
    order = np.argsort(-scores, kind="stable")[:top]
    return Prediction(path, tuple(labels[i] for i in order), tuple(float(scores[i]) for i in order))
