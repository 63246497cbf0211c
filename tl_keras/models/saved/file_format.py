"""What a path holds, by its content rather than by its name."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from tl_keras.errors import ModelError

ModelFormat = Literal["keras", "saved_model", "tflite", "onnx"]

EXPECTED = "Expected a .keras, .tflite or .onnx file, or a SavedModel folder"


def format_of(path: Path) -> ModelFormat:
    """Return the format of the model at `path`.

    Raises:
        ModelError: There is nothing, or something else.
    """
    if path.is_dir():
        return _format_of_folder(path)
    if not path.exists():
        raise ModelError(f"There is no model at {path}.\n{EXPECTED}; check the path.")
    head = _head(path)
    if head[4:8] == b"TFL3":
        return "tflite"
    if head.startswith(b"PK\x03\x04"):
        return "keras"
    # ONNX is a bare protobuf message: it has no mark to know it by, so ONNX Runtime has to judge it.
    if path.suffix.lower() == ".onnx" and head:
        return "onnx"
    raise ModelError(
        f"{path} is not a model.\n{EXPECTED}; found {_describe(head)}.\nMake one of these with: tlk export"
    )


def damaged(path: Path, what: str, error: Exception) -> ModelError:
    """Return the error for a file that began like `what` but could not be loaded."""
    reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return ModelError(
        f"{path} cannot be loaded: expected a {what}, found a damaged one or one of another version.\n"
        f"Copy or export it again. The loader said: {reason[:200]}"
    )


def _format_of_folder(path: Path) -> ModelFormat:
    if (path / "saved_model.pb").is_file():
        return "saved_model"
    inside = sorted(file for file in path.iterdir() if file.suffix in (".keras", ".tflite", ".onnx"))
    hint = f"Did you mean {inside[0]}?" if inside else "Make one with: tlk export"
    raise ModelError(f"{path} is a folder without a model.\n{EXPECTED}; found no saved_model.pb.\n{hint}")


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(8)
    except OSError as error:
        raise ModelError(f"Cannot read the model {path}: {error.strerror or error}.") from None


def _describe(head: bytes) -> str:
    if not head:
        return "an empty file"
    if head.startswith(b"\x89HDF"):
        return "an HDF5 file (weights, or a model of Keras 2)"
    return "text" if all(9 <= byte < 127 for byte in head) else "a file of another kind"
