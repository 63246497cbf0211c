"""`export`: a file that answers as the trained model does, and the proof of it on val images."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tl_keras.core.console import say
from tl_keras.core.files import recover
from tl_keras.data.loaders import ImageLoader
from tl_keras.errors import ConfigError
from tl_keras.exporting.certificate import (
    Agreement,
    agrees_enough,
    compare,
    sample_indices,
)
from tl_keras.exporting.destination import (
    Format,
    file_name,
    megabytes,
    published,
    resolve_destination,
)
from tl_keras.exporting.onnx import export_onnx
from tl_keras.exporting.saved_model import export_saved_model
from tl_keras.exporting.tflite import Quantize, export_tflite
from tl_keras.inference.open import open_model
from tl_keras.models.classifier import as_float32
from tl_keras.runs.lock import locked
from tl_keras.runs.run import Run, open_run

CALIBRATION_IMAGES = 100


@dataclass(frozen=True, slots=True)
class ExportResult:
    """What was shipped.

    Attributes:
        path: The file, or the folder of a SavedModel.
        megabytes: Its size on disk, 10^6 bytes.
        seconds: Time the conversion took.
        agreement: How far its answers agree with the trained model's on val images.
        quantize: How weights were made smaller.
    """

    path: Path
    megabytes: float
    seconds: float
    agreement: Agreement
    quantize: Quantize

    @property
    def trustworthy(self) -> bool:
        """Whether the file agrees with the model as far as its quantization allows to expect."""
        return agrees_enough(self.agreement, self.quantize)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {**asdict(self), "path": str(self.path), "trustworthy": self.trustworthy}


def export(
    run: str | Path, *, format: Format, quantize: Quantize = "none", output: str | Path | None = None
) -> ExportResult:
    """Export a run's model, and compare the file with the model on up to 500 val images before it appears.

    Args:
        run: A finished run's folder.
        format: `saved_model`, `tflite` or `onnx`.
        quantize: For tflite: `none`, `float16`, `dynamic` or `int8`; the last two are calibrated on
            training images.
        output: Where to, a folder or a file with the format's ending; None for the run's `exports/`.

    Raises:
        TlkError: The run is unfinished, its images are gone, or the model has no such form.
    """
    if quantize != "none" and format != "tflite":
        raise ConfigError(f"--quantize {quantize} is for --format tflite; {format} keeps float32 weights.")
    destination = resolve_destination(Path(output), format, quantize) if output else None
    opened, classifier = open_run(run)
    classifier = as_float32(classifier)
    destination = destination or opened.folder.exports_dir / file_name(format, quantize)
    say(f"exporting to {destination}{', which is replaced' if destination.exists() else ''}")
    with opened.image_loader("val") as val, _alone(destination, opened), published(destination) as aside:
        started = time.monotonic()
        _convert(opened, classifier, format, quantize, aside)
        seconds = time.monotonic() - started
        found = compare(classifier, open_model(aside), val, opened.info.task, opened.config.runtime.seed)
    return ExportResult(destination, megabytes(destination), seconds, found, quantize)


@contextmanager
def _alone(destination: Path, run: Run) -> Iterator[None]:
    """Clear up what a killed export left in the run's own folder, while no other one writes there."""
    if destination.parent != run.folder.exports_dir:
        yield
        return
    with locked(run.folder.path / destination.name):
        recover(destination)
        yield


def _convert(run: Run, classifier: Any, format: Format, quantize: Quantize, destination: Path) -> None:
    if format == "saved_model":
        export_saved_model(classifier, run.info, destination)
    elif format == "onnx":
        export_onnx(classifier, run.info, destination)
    else:
        with run.image_loader("train") as train:
            calibrated = quantize in ("int8", "dynamic")
            images = _calibration(train, run.config.runtime.seed) if calibrated else None
            export_tflite(classifier, run.info, destination, quantize=quantize, calibration=images)


def _calibration(train: ImageLoader, seed: int) -> Iterator[npt.NDArray[np.uint8]]:
    return (
        train.images(np.array([index]))[0] for index in sample_indices(len(train), CALIBRATION_IMAGES, seed)
    )
