"""From what the user named to labelled images: picks the kind of source."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tl_keras.config import DataConfig
from tl_keras.data.files import absolute
from tl_keras.data.sources.digits import read_digits
from tl_keras.data.sources.folder import read_folder
from tl_keras.data.sources.source import Source, forbid_line_breaks, forbid_separator, require_sound
from tl_keras.data.sources.table import read_table
from tl_keras.data.sources.tfds import read_tfds
from tl_keras.errors import ConfigError, DataError, did_you_mean

TABLE_SUFFIXES = (".csv", ".tsv")
TFDS_PREFIX = "tfds:"


def read_source(config: DataConfig, *, for_training: bool = True) -> Source:
    """List the labelled images of `config.source` without opening them.

    Args:
        config: Where they are.
        for_training: Require what a classifier can be trained on: a train split and two classes in it.

    Raises:
        DataError: It does not exist, is laid out in another way, or cannot teach two classes.
        ConfigError: No source, or a task that this kind of source cannot serve.
    """
    name = config.source
    if not name:
        raise ConfigError(
            "No images given. Name them: tlk fit FOLDER (or a .csv manifest, tfds:NAME, digits)."
        )
    path = absolute(name)
    if path.suffix.lower() in TABLE_SUFFIXES and not path.is_dir():
        source = read_table(existing(path), config.task)
    elif config.task == "multilabel":
        raise ConfigError(
            "data.task: multilabel needs a manifest: tlk fit labels.csv with columns path,label and labels "
            f"joined by `|`; found {name}."
        )
    else:
        source = _read_single_label(name, path, config)
    forbid_line_breaks(source.classes, name)
    return require_sound(source, name) if for_training else source


def _read_single_label(name: str, path: Path, config: DataConfig) -> Source:
    if name.startswith(TFDS_PREFIX):
        splits = {str(ours): theirs for ours, theirs in config.tfds_splits.items()}
        source = read_tfds(name.removeprefix(TFDS_PREFIX), config.tfds_dir, splits)
    elif name == "digits":
        source = read_digits()
        if path.is_dir():
            note = "these are scikit-learn's digits; for the folder of that name here write ./digits"
            source = replace(source, notes=(*source.notes, note))
    else:
        source = read_folder(existing(path))
    forbid_separator(source.classes, name)
    return source


def existing(path: Path) -> Path:
    """Return `path` if there is something.

    Raises:
        DataError: There is not; with a similar name beside it, if any.
    """
    if path.exists():
        return path
    try:
        siblings = [sibling.name for sibling in path.parent.iterdir()]
    except OSError:
        siblings = []
    raise DataError(
        f"Not found: {path}.{did_you_mean(path.name, siblings)}\n"
        "Expected a folder with one folder of images per class: tlk fit photos/"
    )
