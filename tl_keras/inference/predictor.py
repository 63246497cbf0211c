"""A model that is ready to answer, whatever file it came from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tl_keras.core.model_info import ModelInfo
from tl_keras.errors import ModelError

Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Predictor:
    """A function from pixels to probabilities.

    Attributes:
        info: Class names and preprocessing; None for a model that was not made by tl_keras.
        input_shape: Height and width, pixels.
        output_classes: Number of classes.
        run: The model itself: uint8 [n, H, W, 3] with n > 0 -> float32 [n, classes].
    """

    info: ModelInfo | None
    input_shape: tuple[int, int]
    output_classes: int
    run: Callable[[Pixels], Floats]

    def __call__(self, images: Pixels) -> Floats:
        """Return probabilities, float32 [n, classes], of RGB images, uint8 [n, H, W, 3], in one go.

        Raises:
            ValueError: The images have another dtype or shape.
        """
        if images.dtype != np.uint8 or images.shape[1:] != (*self.input_shape, 3):
            height, width = self.input_shape
            raise ValueError(
                f"Expected images of uint8 [n, {height}, {width}, 3], "
                f"found {images.dtype} {list(images.shape)}."
            )
        if not len(images):
            return np.empty((0, self.output_classes), np.float32)
        return self.run(images)


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output of a model file: the name of its dtype, and its shape with None where it is free."""

    dtype: str
    shape: tuple[int | None, ...]

    def __str__(self) -> str:
        return f"{self.dtype} [{', '.join('n' if side is None else str(side) for side in self.shape)}]"


def make_predictor(
    path: Path,
    info: ModelInfo | None,
    inputs: Sequence[Port],
    outputs: Sequence[Port],
    run: Callable[[Pixels], Floats],
) -> Predictor:
    """Return a predictor, after a look that the model takes raw pixels and gives one score per class.

    Only uint8 pixels are taken: what a model wants to have done to floats cannot be seen from outside.
    `run` is called with one image at a time when the model's batch is fixed at 1.

    Raises:
        ModelError: The model has other inputs or outputs, or `info` speaks of another model.
    """
    match list(inputs), list(outputs):
        case (
            [Port("uint8", (None | 1 as batch, int() as height, int() as width, 3))],
            [Port(_, (_, int() as classes))],
        ):
            predictor = Predictor(info, (height, width), classes, _one_by_one(run) if batch else run)
        case _:
            raise ModelError(
                f"{path} is not an image classifier that takes raw pixels.\n"
                f"Expected uint8 [n, height, width, 3] -> [n, classes]; "
                f"found {_list(inputs)} -> {_list(outputs)}.\nMake one that does with: tlk export"
            )
    _check_info(path, predictor)
    return predictor


def _one_by_one(run: Callable[[Pixels], Floats]) -> Callable[[Pixels], Floats]:
    return lambda images: np.concatenate([run(images[i : i + 1]) for i in range(len(images))])


def _list(ports: Sequence[Port]) -> str:
    return " and ".join(map(str, ports)) or "nothing"


def _check_info(path: Path, predictor: Predictor) -> None:
    info = predictor.info
    if info is None:
        return
    described = (info.geometry.height, info.geometry.width, len(info.labels))
    found = (*predictor.input_shape, predictor.output_classes)
    if described != found:
        raise ModelError(
            f"{path} contradicts the description inside it (height, width, classes).\n"
            f"Expected {described} as described; found {found} in the model.\n"
            "Export it again with: tlk export"
        )
