"""Keras's own format: `model.keras` of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tl_keras.files import written_aside
from tl_keras.inference.info import embed
from tl_keras.model_info import ModelInfo


def save_classifier(classifier: Any, info: ModelInfo, destination: Path) -> None:
    """Write a `.keras` file, without optimizer state, with the class names inside.

    Raises:
        RunError: It cannot be written there.
    """
    with written_aside(destination) as aside:
        classifier.save(aside, include_optimizer=False)
        embed(aside, info)
