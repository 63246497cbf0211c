"""Where an export goes, and what it may replace."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from tl_keras.errors import ConfigError
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


def file_name(format: Format, quantize: Quantize) -> str:
    if format == "saved_model":
        return "saved_model"
    if format == "onnx":
        return "model.onnx"
    return "model.tflite" if quantize == "none" else f"model-{quantize}.tflite"


def megabytes(path: Path) -> float:
    files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files) / 1e6
