"""Class names and preprocessing, carried inside the model file where each format has room for them.

.keras        zip entry tl_keras.json
.tflite       zip with labels.txt and tl_keras.json behind the flatbuffer, as TFLite Metadata has it
.onnx         metadata property tl_keras
SavedModel    assets.extra/tl_keras.json and labels.txt, the folder that TensorFlow Serving leaves to us
"""

from __future__ import annotations

import zipfile
from pathlib import Path

from tl_keras.core.model_info import ENTRY, ModelInfo
from tl_keras.errors import MissingExtra, ModelError
from tl_keras.models.saved.file_format import format_of

LABELS = "labels.txt"
ONNX_PROPERTY = "tl_keras"


def embed(path: Path, info: ModelInfo) -> None:
    """Put `info` into a model that carries none yet, in place.

    Raises:
        ModelError: `path` is no model.
        OSError: It cannot be written.
    """
    match format_of(path):
        case "keras":
            _append(path, {ENTRY: info.to_json()})
        case "tflite":
            _append(path, {LABELS: labels_text(info), ENTRY: info.to_json()})
        case "onnx":
            _set_onnx_property(path, info.to_json())
        case "saved_model":
            extra = path / "assets.extra"
            extra.mkdir(exist_ok=True)
            (extra / LABELS).write_text(labels_text(info), encoding="utf-8")
            (extra / ENTRY).write_text(info.to_json(), encoding="utf-8")


def read(path: Path) -> ModelInfo | None:
    """Return what a model carries, or None when it was not made by tl_keras.

    Raises:
        ModelError: `path` is no model, or what it carries is of another version.
    """
    text = _text(path)
    if text is None:
        return None
    try:
        return ModelInfo.from_json(text)
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(
            f"{path} carries a description that this version of tl_keras cannot read: {error!r}.\n"
            "Update with: pip install -U tl_keras"
        ) from error


def labels_text(info: ModelInfo) -> str:
    """Return the class names, one per line."""
    return "".join(f"{label}\n" for label in info.labels)


def _text(path: Path) -> str | bytes | None:
    match format_of(path):
        case "keras" | "tflite":
            return _entry(path)
        case "onnx":
            return _onnx_property(path)
        case "saved_model":
            file = path / "assets.extra" / ENTRY
            return file.read_bytes() if file.is_file() else None


def _append(path: Path, entries: dict[str, str]) -> None:
    # Stored, not deflated, since readers on phones map them into memory.
    with zipfile.ZipFile(path, "a", zipfile.ZIP_STORED) as archive:
        for name, text in entries.items():
            archive.writestr(name, text)


def _entry(path: Path) -> bytes | None:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.read(ENTRY) if ENTRY in archive.namelist() else None
    except zipfile.BadZipFile:
        return None


def _set_onnx_property(path: Path, text: str) -> None:
    import onnx

    model = onnx.load(path)
    model.metadata_props.add(key=ONNX_PROPERTY, value=text)
    onnx.save(model, path)


def _onnx_property(path: Path) -> str | None:
    try:
        import onnx
    except ImportError:
        raise MissingExtra("Reading an .onnx file", "onnx") from None
    properties = onnx.load(path, load_external_data=False).metadata_props
    return next((entry.value for entry in properties if entry.key == ONNX_PROPERTY), None)
