"""`export`: a file that answers as the trained model does, and the proof of it on val images."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tl_keras.console import progress, say
from tl_keras.data.pipelines import Loader
from tl_keras.errors import ConfigError
from tl_keras.exporting.agreement import Agreement, agreement
from tl_keras.exporting.onnx import export_onnx
from tl_keras.exporting.saved_model import export_saved_model
from tl_keras.exporting.tflite import Quantize, export_tflite
from tl_keras.inference.open import open_model
from tl_keras.inference.predictor import Predictor
from tl_keras.models.assemble import as_float32
from tl_keras.workflows.stored import StoredRun, open_stored

Format = Literal["saved_model", "tflite", "onnx"]
CALIBRATION_IMAGES = 100
CHECKED_IMAGES = 500
BATCH_SIZE = 32


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
    quantize: str


def export(
    run: str | Path, *, format: Format, quantize: Quantize = "none", output: str | Path | None = None
) -> ExportResult:
    """Export a run's model and compare the file with the model on up to 500 val images.

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
    destination = _destination(Path(output), format, quantize) if output else None
    stored, classifier = open_stored(run)
    classifier = as_float32(classifier)
    destination = destination or stored.run.exports_dir / _file_name(format, quantize)
    started = time.monotonic()
    say(f"exporting to {destination}")
    _convert(stored, classifier, format, quantize, destination)
    seconds = time.monotonic() - started
    with stored.loader("val") as val:
        found = _compare(classifier, open_model(destination), val, stored)
    return ExportResult(destination, _megabytes(destination), seconds, found, quantize)


def _destination(output: Path, format: Format, quantize: Quantize) -> Path:
    """Return the path to write for what the user named: a folder gets the file put inside.

    Raises:
        ConfigError: The name has another format's ending, or something else is there.
    """
    ending = {"saved_model": "", "tflite": ".tflite", "onnx": ".onnx"}[format]
    if ending and output.is_dir():
        return output / _file_name(format, quantize)
    if ending and output.suffix.lower() != ending:
        raise ConfigError(f"Expected --output to be a folder or to end in {ending}; found {output}.")
    if not ending and output.exists() and not _is_free(output):
        raise ConfigError(
            f"{output} exists and is not a SavedModel. Name a new folder, so that nothing is overwritten."
        )
    return output


def _is_free(folder: Path) -> bool:
    """Tell whether a SavedModel may take the place of what is there."""
    return folder.is_dir() and ((folder / "saved_model.pb").is_file() or not any(folder.iterdir()))


def _file_name(format: Format, quantize: Quantize) -> str:
    if format == "saved_model":
        return "saved_model"
    if format == "onnx":
        return "model.onnx"
    return "model.tflite" if quantize == "none" else f"model-{quantize}.tflite"


def _convert(
    stored: StoredRun, classifier: Any, format: Format, quantize: Quantize, destination: Path
) -> None:
    if format == "saved_model":
        export_saved_model(classifier, stored.info, destination)
    elif format == "onnx":
        export_onnx(classifier, stored.info, destination)
    else:
        with stored.loader("train") as train:
            wanted = quantize in ("int8", "dynamic")
            images = _calibration(train, stored.config.runtime.seed) if wanted else None
            export_tflite(classifier, stored.info, destination, quantize=quantize, calibration=images)


def _calibration(train: Loader, seed: int) -> Iterator[npt.NDArray[np.uint8]]:
    return (train.images(np.array([index]))[0] for index in _sample(len(train), CALIBRATION_IMAGES, seed))


def _sample(size: int, at_most: int, seed: int) -> npt.NDArray[np.int64]:
    """Return random different indices: examples lie class by class, so the first ones would not do."""
    return np.random.default_rng(seed).permutation(size)[:at_most]


def _compare(classifier: Any, exported: Predictor, val: Loader, stored: StoredRun) -> Agreement:
    chosen = _sample(len(val), CHECKED_IMAGES, stored.config.runtime.seed)
    ours, theirs = [], []
    with progress("comparing", len(chosen)) as advance:
        for start in range(0, len(chosen), BATCH_SIZE):
            images = val.images(chosen[start : start + BATCH_SIZE])
            ours.append(np.asarray(classifier(images, training=False)))
            theirs.append(exported(images))
            advance(len(images))
    return agreement(np.concatenate(ours), np.concatenate(theirs), stored.info.task)


def _megabytes(path: Path) -> float:
    files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files) / 1e6
