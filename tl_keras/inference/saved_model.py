"""TensorFlow's SavedModel folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tl_keras.core.native_output import suppress_native_output
from tl_keras.errors import ModelError
from tl_keras.inference.predictor import Floats, Pixels, Port, Predictor, make_predictor
from tl_keras.models.saved.embedded_info import read
from tl_keras.models.saved.file_format import damaged

SIGNATURE = "serving_default"


def open_saved_model(path: Path) -> Predictor:
    """Open a SavedModel folder by its signature `serving_default`.

    Raises:
        ModelError: It is damaged, or has no such signature that takes raw pixels.
    """
    loaded = _load(path)
    if SIGNATURE not in loaded.signatures:
        names = ", ".join(loaded.signatures) or "none"
        raise ModelError(
            f"{path} cannot be used: expected a signature {SIGNATURE}, found {names}.\n"
            "Export it again with: tlk export"
        )
    signature = loaded.signatures[SIGNATURE]
    _, inputs = signature.structured_input_signature
    outputs = signature.structured_outputs

    def run(images: Pixels) -> Floats:
        # `loaded` is named here because the variables live only as long as it does.
        _, answer = loaded, signature(**{next(iter(inputs)): tf.constant(images)})
        return np.asarray(next(iter(answer.values())), np.float32)

    return make_predictor(path, read(path), _ports(inputs.values()), _ports(outputs.values()), run)


def _load(path: Path) -> Any:
    with suppress_native_output():
        try:
            return tf.saved_model.load(str(path))
        except Exception as error:  # a missing or cut file shows as any of many errors
            raise damaged(path, "SavedModel", error) from error


def _ports(specs: Iterable[Any]) -> list[Port]:
    return [Port(spec.dtype.name, tuple(spec.shape)) for spec in specs]
