"""Keras's own format: `model.keras` of a run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras

from tl_keras.core.files import atomic_write
from tl_keras.core.model_info import ModelInfo
from tl_keras.core.native_output import suppress_native_output
from tl_keras.models.saved.embedded_info import embed
from tl_keras.models.saved.file_format import damaged


def save_classifier(classifier: Any, info: ModelInfo, destination: Path) -> None:
    """Write a `.keras` file with the class names inside, which Keras opens where tl_keras is not installed.

    So it is not compiled: its optimizer and metrics would be ours.

    Raises:
        RunError: It cannot be written there.
    """
    with atomic_write(destination) as aside:
        with _not_compiled(classifier):
            classifier.save(aside, include_optimizer=False)
        embed(aside, info)


@contextmanager
def _not_compiled(model: Any) -> Iterator[None]:
    """Let Keras leave a model's optimizer, loss and metrics out of what it saves."""
    compiled, model.compiled = model.compiled, False
    try:
        yield
    finally:
        model.compiled = compiled


def load_keras(path: Path) -> Any:
    """Return the Keras model in a `.keras` file, not compiled.

    Raises:
        ModelError: It is damaged.
        OSError: It cannot be read, or unpacked for lack of space.
    """
    with suppress_native_output():
        try:
            return keras.saving.load_model(path, compile=False)
        except OSError as error:
            if error.errno is not None:  # h5py raises OSError without a number for damaged files
                raise
            raise damaged(path, ".keras file", error) from error
        except Exception as error:  # Keras raises whatever the damage makes it stumble over
            raise damaged(path, ".keras file", error) from error
