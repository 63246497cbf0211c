"""Where an export goes, and what it may replace."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from tl_keras.core.files import remove, replace
from tl_keras.errors import ConfigError, RunError
from tl_keras.exporting.tflite import Quantize

Format = Literal["saved_model", "tflite", "onnx"]


def resolve_destination(output: Path, format: Format, quantize: Quantize) -> Path:
    """Return the path to write for what the user named: a folder gets the file put inside.

    Raises:
        ConfigError: The name has another format's ending, or something else is there.
    """
    ending = {"saved_model": "", "tflite": ".tflite", "onnx": ".onnx"}[format]
    if ending and output.is_dir():
        return output / file_name(format, quantize)
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


@contextmanager
def published(destination: Path) -> Iterator[Path]:
    """Yield where to write an export; it and the files beside it appear at `destination` when the block ends.

    On any error nothing of it is left, and what was at `destination` stays as it was.

    Raises:
        RunError: Nothing can be written there.
    """
    aside = destination.with_name(f".{uuid.uuid4().hex[:8]}.{destination.name}")
    try:
        aside.mkdir(parents=True)
    except OSError as error:
        raise RunError(f"Cannot write {destination}: {error.strerror or error}.") from None
    try:
        yield aside / destination.name
        for file in sorted(aside.iterdir(), key=lambda file: file.name == destination.name):
            _publish(file, destination.with_name(file.name))
    except RunError as error:
        # What could not be written is, for people, the file that they asked for.
        raise RunError(str(error).replace(str(aside / destination.name), str(destination))) from error
    finally:
        remove(aside)


def _publish(file: Path, destination: Path) -> None:
    try:
        replace(file, destination)
    except OSError as error:
        raise RunError(f"Cannot write {destination}: {error.strerror or error}.") from error


def file_name(format: Format, quantize: Quantize) -> str:
    """Return what an export is called in the run's `exports/`."""
    if format == "saved_model":
        return "saved_model"
    if format == "onnx":
        return "model.onnx"
    return "model.tflite" if quantize == "none" else f"model-{quantize}.tflite"


def megabytes(path: Path) -> float:
    """Return the size of a file or a folder, 10^6 bytes."""
    files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files) / 1e6
