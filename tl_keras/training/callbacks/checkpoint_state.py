"""The state of a training, and the files it is kept in."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tl_keras.core.console import warn
from tl_keras.core.files import atomic_write, remove
from tl_keras.distributed.collectives import broadcast
from tl_keras.errors import RunError

CHECKPOINTS_KEPT = 2
NOT_PLAIN = ("identity", "arrays")


@dataclass(frozen=True, slots=True)
class TrainingIdentity:
    """What a checkpoint must have in common with the training that resumes from it.

    Attributes:
        precision: Keras dtype policy.
        images: A hash of the images trained on and judged by.
        steps: Steps per epoch.
        images_per_step: Over all replicas.
        accumulate: Steps per update of the weights.
    """

    precision: str
    images: str
    steps: int
    images_per_step: int
    accumulate: int


@dataclass(slots=True)
class TrainingState:
    """The values of a checkpoint.

    Attributes:
        identity: What it was trained on, and how.
        epoch: The epoch to resume in, from 0.
        batch: Batches of that epoch that are done.
        seconds: Training time so far.
        rows: The history of the epochs before.
        callbacks: Per watched callback, what it remembers.
        arrays: Weights of the model, of its optimizer, sums of its metrics, and the best weights so far.
    """

    identity: TrainingIdentity
    epoch: int
    batch: int
    seconds: float
    rows: list[dict[str, float]]
    callbacks: list[dict[str, float]]
    arrays: dict[str, list[np.ndarray]] = field(repr=False)


def latest(folder: Path) -> TrainingState | None:
    """Return the newest checkpoint in a folder that is whole, or None; remove those that are damaged.

    Raises:
        RunError: One cannot be read, or another version of tl_keras wrote it.
    """
    files = sorted(folder.glob("[0-9]*.npz"), reverse=True)
    for file in files:
        try:
            return _read(file)
        except OSError as error:
            raise RunError(f"The checkpoint {file} cannot be read: {error.strerror or error}.") from error
        except TypeError as error:
            raise RunError(
                f"Another version of tl_keras wrote {file}: resume with that, or restart with --overwrite."
            ) from error
        except (ValueError, KeyError, EOFError, zipfile.BadZipFile):
            warn(f"the checkpoint {file} is damaged: it is removed.")
            remove(file)  # it would be taken for a newer one than those to come
    if files:
        warn("no checkpoint can be read: the training starts again.")
    return None


def broadcast_state(state: TrainingState | None) -> TrainingState | None:
    """Return the chief's state on every worker; all of them must call it."""
    packed = _packed(state) if state else {}
    names, *arrays = broadcast([np.array([*packed], np.str_), *packed.values()])
    return _unpacked(dict(zip(names.tolist(), arrays, strict=True))) if arrays else None


def save(folder: Path, state: TrainingState) -> None:
    """Write a checkpoint, safe against a loss of power, and remove all but the last two.

    Raises:
        RunError: The disk is full or read-only.
    """
    content: dict[str, Any] = _packed(state)
    destination = folder / f"{state.epoch:06d}-{state.batch:08d}.npz"
    with atomic_write(destination) as aside, aside.open("wb") as file:
        np.savez(file, **content)
    for old in sorted(folder.glob("[0-9]*.npz"))[:-CHECKPOINTS_KEPT]:
        remove(old)


def get_values(variables: Sequence[Any]) -> list[np.ndarray]:
    """Return what variables hold."""
    return [np.asarray(keras.ops.convert_to_numpy(variable)) for variable in variables]


def set_values(variables: Sequence[Any], values: Sequence[np.ndarray]) -> None:
    """Put back what `get_values` has returned."""
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _read(file: Path) -> TrainingState:
    with np.load(file, allow_pickle=False) as content:
        return _unpacked({name: content[name] for name in content.files})


def _packed(state: TrainingState) -> dict[str, np.ndarray]:
    plain = {item.name: getattr(state, item.name) for item in fields(state) if item.name not in NOT_PLAIN}
    content = {"header": np.array(json.dumps(asdict(state.identity) | plain))}
    for name, group in state.arrays.items():
        content |= {f"{name}/{index}": array for index, array in enumerate(group)}
    return content


def _unpacked(content: dict[str, np.ndarray]) -> TrainingState:
    groups: dict[str, list[np.ndarray]] = {name: [] for name in ("model", "optimizer", "metrics", "best")}
    for key, array in content.items():
        if key != "header":
            groups[key.partition("/")[0]].append(array)
    header = json.loads(str(content["header"]))
    names = {item.name for item in fields(TrainingIdentity)} & {*header}
    identity = TrainingIdentity(**{name: header.pop(name) for name in names})
    return TrainingState(identity, **header, arrays=groups)
