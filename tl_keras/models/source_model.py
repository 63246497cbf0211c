"""Source models: what `tlk pretrain` makes and `tlk fit --weights` starts from.

A folder with `backbone.weights.h5`, the network without its head, and `source.json`, which tells what it is.
"""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import h5py  # type: ignore[import-untyped]
import keras
import numpy as np
from pydantic import TypeAdapter, ValidationError

from tl_keras.config.loading import load_config
from tl_keras.config.schema import Config
from tl_keras.core.files import atomic_write, remove
from tl_keras.errors import ConfigError, ModelError
from tl_keras.models.backbones import find
from tl_keras.models.weights import set_weights

WEIGHTS_FILE = "backbone.weights.h5"
SOURCE_FILE = "source.json"
KEYWORDS = ("pretrained", "none")
"""What `model.weights` may be besides a path."""


@dataclass(frozen=True, slots=True)
class SourceModelInfo:
    """What a source model is and how it was made; `source.json`.

    Attributes:
        backbone: Name of the network.
        options: Its constructor arguments.
        image_size: Height and width of the images it was trained on, pixels.
        classes: The classes it was trained to tell apart.
        data: Name of the folder or data set, number of training images, and SHA-256 over splits, labels and
            hashes of all images.
        recipe: The settings it was trained with: head, augmentation, training.
        score: Split, number of images, accuracy in 0..1 and its 95 % interval.
        version: Of tl_keras.
    """

    backbone: str
    options: dict[str, Any]
    image_size: int
    classes: tuple[str, ...]
    data: dict[str, Any]
    recipe: dict[str, Any]
    score: dict[str, Any]
    version: str

    def to_json(self) -> str:
        """Return the file's text."""
        return json.dumps(asdict(self), ensure_ascii=False, indent=2) + "\n"


def read_source_model_info(file: Path) -> SourceModelInfo:
    """Read a `source.json`.

    Raises:
        ModelError: It cannot be read, or is none.
    """
    try:
        info = TypeAdapter(SourceModelInfo).validate_json(file.read_bytes())
        find(info.backbone)
    except ValidationError as error:
        fault = error.errors()[0]
        where = ".".join(map(str, fault["loc"]))
        raise ModelError(f"{file} is damaged: {where}: {fault['msg']}") from error
    except (OSError, ConfigError) as error:
        raise ModelError(f"{file} cannot be used: {error}") from error
    return info


def with_source(config: Config) -> Config:
    """Return the settings with what the source model named by `model.weights` decides.

    Backbone, options and image size that were not asked for become those of the source.

    Raises:
        ConfigError: One of them was asked for, and is another.
        ModelError: It is no source model, or a damaged one.
    """
    if config.model.weights in KEYWORDS:
        return config
    weights = Path(config.model.weights).expanduser()
    if weights.is_dir():
        weights = _weights_in(weights)
    file = weights.with_name(SOURCE_FILE)
    if weights.name != WEIGHTS_FILE or not file.is_file():
        return config
    source = read_source_model_info(file)
    model = {"backbone": source.backbone, "options": source.options, "weights": str(weights)}
    _require_equal(config, source, file)
    return config.model_copy(
        update={
            "model": config.model.model_copy(update=model),
            "data": config.data.model_copy(update={"image_size": source.image_size}),
        }
    )


def round_kernels(base: keras.Model) -> None:
    """Round the kernels of `base` to float16, so that `save_backbone` stores them in half the space.

    Biases and the vectors of norms stay float32, as does a kernel with a value that float16 cannot hold
    (65,504 is its largest; below 6e-5 it has fewer than 11 significant bits).
    """
    set_weights(base, [_rounded(value) for value in base.get_weights()])


def save_backbone(base: keras.Model, destination: Path) -> None:
    """Write the weights of `base` as .weights.h5, kernels that float16 holds exactly in that."""
    with atomic_write(destination) as aside:
        # Through .keras and memory: a full disk crashes the process inside HDF5 when that writes the file.
        whole = aside.with_suffix(".keras")
        try:
            base.save(whole)
            with zipfile.ZipFile(whole) as archive:
                weights = archive.read("model.weights.h5")
        finally:
            remove(whole)
        aside.write_bytes(_halved(weights))


def _weights_in(folder: Path) -> Path:
    if (folder / SOURCE_FILE).is_file() and (folder / WEIGHTS_FILE).is_file():
        return folder / WEIGHTS_FILE
    raise ModelError(
        f"{folder} is no source model: expected {WEIGHTS_FILE} and {SOURCE_FILE}, as `tlk pretrain` "
        f"writes them.{_hint(folder)}"
    )


def _hint(folder: Path) -> str:
    """Return how to start from the network of a run that is no source model."""
    config_file, model_file = folder / "config.yaml", folder / "model.keras"
    if not (config_file.is_file() and model_file.is_file()):
        return ""
    model = load_config(config_file).model
    options = "".join(f" --backbone-option {name}={value}" for name, value in model.options.items())
    return (
        "\nTo start from that run's network, give the --image-size of that run and: "
        f"--weights {model_file} --backbone {model.backbone}{options}"
    )


def _require_equal(config: Config, source: SourceModelInfo, file: Path) -> None:
    pairs: list[tuple[str, Any, Any]] = []
    if config.asks_for("model.backbone"):
        pairs.append(("model.backbone", find(config.model.backbone).name, source.backbone))
    if config.asks_for("model.options") and config.model.options:
        pairs.append(("model.options", config.model.options, source.options))
    if config.data.image_size is not None:
        pairs.append(("data.image_size", config.data.image_size, source.image_size))
    wrong = [
        f"  {name}: {theirs!r} there, {ours!r} asked for" for name, ours, theirs in pairs if ours != theirs
    ]
    if wrong:
        raise ConfigError(
            f"The source model was pretrained with other settings ({file}):\n"
            + "\n".join(wrong)
            + "\nLeave them out to use the source's, or pretrain another source with: tlk pretrain"
        )


def _rounded(value: np.ndarray) -> np.ndarray:
    if value.ndim < 2 or value.dtype != np.float32 or np.abs(value).max(initial=0) > np.finfo(np.float16).max:
        return value
    return value.astype(np.float16).astype(np.float32)


def _halved(weights: bytes) -> bytes:
    """Return a .weights.h5 with the kernels as float16, as far as they lose nothing by it."""
    packed = io.BytesIO()
    with h5py.File(io.BytesIO(weights)) as source, h5py.File(packed, "w") as target:
        target.attrs.update(source.attrs)
        source.visititems(lambda name, item: _copy(name, item, target))
    return packed.getvalue()


def _copy(name: str, item: Any, target: Any) -> None:
    if not isinstance(item, h5py.Dataset):
        target.require_group(name).attrs.update(item.attrs)
        return
    value = item[()]
    if value.ndim >= 2 and value.dtype == np.float32 and np.array_equal(value, value.astype(np.float16)):
        value = value.astype(np.float16)
    target.create_dataset(name, data=value)
