"""Weights from a file of the user's, put into a backbone; a file that does not fit is refused."""

from __future__ import annotations

import textwrap
import warnings
import zipfile
from collections.abc import Sequence
from pathlib import Path

import h5py  # type: ignore[import-untyped]
import keras
import numpy as np

from tl_keras.errors import ModelError

_IMAGENET_DEVIATION = (0.229, 0.224, 0.225)


def load_file(base: keras.Model, file: Path, title: str) -> None:
    """Put the weights in `file` into `base`.

    Args:
        base: A backbone without its classifier.
        file: A .weights.h5 or .h5 of such a backbone, or a .keras of it or of a classifier built on it.
        title: What to call the backbone in messages.

    Raises:
        ModelError: The file is missing, not a weights file, or does not fit `base`.
    """
    if not file.is_file():
        raise ModelError(
            f"There is no weights file {file}.\n"
            "Expected `pretrained`, `none`, a run of `tlk pretrain`, or a .weights.h5, .h5 or .keras file."
        )
    if file.suffix == ".keras":
        _copy(_network_in(file), base, file, title)
    elif file.suffix == ".h5":
        _load_h5(base, file, title)
    else:
        raise ModelError(f"{file} is not a weights file: expected .weights.h5, .h5 or .keras.")
    _complete_normalization(base)


def set_weights(model: keras.Model, values: Sequence[np.ndarray]) -> None:
    """Set all weights of `model`, in the order of `model.get_weights()`.

    Unlike the method of that name, it also makes Normalization layers use their new mean and variance.
    """
    model.set_weights(values)
    _finalize(model)


def _finalize(model: keras.Model) -> None:
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            _finalize(layer)
        elif isinstance(layer, keras.layers.Normalization):
            layer.finalize_state()


def _network_in(file: Path) -> keras.Model:
    """Return the backbone inside a saved model, or the model itself when it has none."""
    if not zipfile.is_zipfile(file):
        raise _unreadable(file, "it is not a .keras file, or not all of one")
    try:
        with warnings.catch_warnings(action="ignore"):
            model = keras.models.load_model(file, compile=False)
    except Exception as error:  # whatever is in a stranger's file
        raise _unreadable(file, _brief(error)) from error
    nested = [layer for layer in model.layers if layer.name == "backbone"]
    return nested[0] if nested else model


def _copy(source: keras.Model, base: keras.Model, file: Path, title: str) -> None:
    if len(source.weights) != len(base.weights):
        raise _misfit(file, title, _counts(len(base.weights), len(source.weights)))
    for theirs, ours in zip(source.weights, base.weights, strict=True):
        if theirs.shape != ours.shape:
            difference = f"{ours.path} is {tuple(ours.shape)} here and {tuple(theirs.shape)} in the file."
            raise _misfit(file, title, difference)
    set_weights(base, source.get_weights())


def _load_h5(base: keras.Model, file: Path, title: str) -> None:
    try:
        held = _arrays_in(file)
        # Keras itself does not mind weights in the file that it has no use for.
        if file.name.endswith(".weights.h5") and held != len(base.weights):
            raise _misfit(file, title, _counts(len(base.weights), held))
        with warnings.catch_warnings(action="ignore"):
            base.load_weights(file)
    except OSError as error:
        raise _unreadable(file, _brief(error)) from error
    except (ValueError, KeyError) as error:
        raise _misfit(file, title, _brief(error)) from error


def _arrays_in(file: Path) -> int:
    """Return how many weights of layers a .weights.h5 holds."""
    names: list[str] = []
    with h5py.File(file) as content:
        content.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
    return sum("layers/" in name and "seed_generator" not in name for name in names)


def _unreadable(file: Path, reason: str) -> ModelError:
    return ModelError(f"The weights in {file} cannot be read:\n  {reason}")


def _misfit(file: Path, title: str, difference: str) -> ModelError:
    return ModelError(
        f"The weights in {file} do not fit {title}:\n  {difference}\n"
        "They must be of this backbone alone: same --backbone and --backbone-option, no classifier on top."
    )


def _counts(here: int, there: int) -> str:
    return f"The backbone has {here} weight arrays, the file has {there}."


def _brief(error: Exception) -> str:
    """Return a Keras error's text in a line, without its list of everything concerned."""
    text = " ".join(str(error).partition("List of objects")[0].split())
    return textwrap.shorten(text or type(error).__name__, 300)


def _complete_normalization(base: keras.Model) -> None:
    """Let an EfficientNet divide by the deviation where its file holds that in place of the variance.

    The ImageNet files of EfficientNet B0 to B7 do. Keras makes up for it with a layer that it adds only
    for weights="imagenet"; a network that gets the same weights from a file would scale its input wrongly.
    """
    for layer in base.layers:
        if isinstance(layer, keras.layers.Normalization) and layer.weights:
            mean, variance, count = layer.get_weights()
            if np.allclose(variance.ravel(), _IMAGENET_DEVIATION, atol=1e-3):
                layer.set_weights([mean, variance**2, count])
                layer.finalize_state()
