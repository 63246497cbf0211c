"""From what the user named to labeled images: picks the kind of source."""

from __future__ import annotations

import shlex
from collections.abc import Container
from pathlib import Path

from tl_keras.config.schema import DataConfig
from tl_keras.core.wording import did_you_mean
from tl_keras.data.findings import Finding, FindingKind
from tl_keras.data.listing import absolute
from tl_keras.data.sources import finding_kinds as kinds
from tl_keras.data.sources.digits import read_digits
from tl_keras.data.sources.exclude import apply_exclusions
from tl_keras.data.sources.folder import read_folder
from tl_keras.data.sources.groups import common_folder, group_by, grouped
from tl_keras.data.sources.source import (
    ImageSource,
    alike_classes,
    structural_findings,
    without_unusable_classes,
)
from tl_keras.data.sources.table import read_table
from tl_keras.data.sources.tfds import read_tfds
from tl_keras.errors import ConfigError, DataError

TABLE_SUFFIXES = (".csv", ".tsv")
TFDS_PREFIX = "tfds:"


def read_source(config: DataConfig, *, for_training: bool = True) -> ImageSource:
    """List the labeled images of `config.source` without opening them.

    Args:
        config: Where they are.
        for_training: Require what a classifier can be trained on: nothing that is an error, a train split
            and two classes in it. Otherwise errors are among the findings, and what they concern is left out.

    Raises:
        DataError: It does not exist or is laid out in another way; for a training, any error in it.
        ConfigError: No source, or a setting that this source cannot serve.
    """
    name = config.source
    if not name:
        raise ConfigError(
            "No images given. Name a folder of class folders, a .csv manifest, tfds:NAME or digits."
        )
    source = _with_settings(_listed(name, config), name, config)
    if for_training:
        require_no_errors(source, name)
    source = source.with_findings(structural_findings(source, name))
    if not for_training:
        return source
    try:
        return require_no_errors(source, name)
    except DataError as error:
        if not config.exclude:
            raise
        raise DataError(f"{error}\nThat is after what {config.exclude} leaves out and relabels.") from None


def require_no_errors(source: ImageSource, name: str, *, but: Container[FindingKind] = ()) -> ImageSource:
    """Return `source` if it has no findings that are errors.

    Args:
        source: As `read_source` returns it.
        name: What it was read from, for the message.
        but: Kinds that do not matter.

    Raises:
        DataError: It has; the text is that of the first, and tells how many more there are.
    """
    errors = [found for found in source.findings if found.kind.severity == "error" and found.kind not in but]
    if errors:
        raise DataError(errors[0].detail + _more(errors, name))
    return source


def _more(errors: list[Finding], name: str) -> str:
    if len(errors) == 1:
        return ""
    alike = sum(error.kind == errors[0].kind for error in errors) - 1
    others = len(errors) - 1 - alike
    counts = [f"{alike:,} more" if alike else "", f"{others:,} of other kinds" if others else ""]
    return f"\nAnd {' and '.join(filter(None, counts))}; all of them: tlk inspect {shlex.quote(name)}"


def _listed(name: str, config: DataConfig) -> ImageSource:
    path = absolute(name)
    if _is_table(path):
        return read_table(existing(path), config.task)
    if config.task == "multilabel":
        raise ConfigError(
            "data.task: multilabel needs a manifest, such as labels.csv with columns path,label and labels "
            f"joined by `|`; found {name}."
        )
    if name.startswith(TFDS_PREFIX):
        splits = {str(ours): theirs for ours, theirs in config.tfds_splits.items()}
        return read_tfds(name.removeprefix(TFDS_PREFIX), config.tfds_dir, splits)
    if name == "digits":
        return read_digits().with_findings(_namesake(path))
    return read_folder(existing(path))


def _is_table(path: Path) -> bool:
    return path.suffix.lower() in TABLE_SUFFIXES and not path.is_dir()


def _namesake(path: Path) -> list[Finding]:
    if not path.is_dir():
        return []
    detail = "these are scikit-learn's digits; for the folder of that name here write ./digits"
    return [Finding(kinds.NAMESAKES, str(path), detail)]


def _with_settings(source: ImageSource, name: str, config: DataConfig) -> ImageSource:
    """Judge the class names, and do what the settings say about groups, exclusions and labels."""
    multilabel = config.task == "multilabel"
    source = without_unusable_classes(source, name, multilabel=multilabel)
    if config.group_by:
        source = group_by(source, config.group_by, _start(source, name))
    if config.exclude:
        file = absolute(config.exclude)
        ordered = name.startswith(TFDS_PREFIX)
        source = apply_exclusions(source, file, multilabel=multilabel, ordered=ordered)
    return source.with_findings([*alike_classes(source, name), *grouped(source, name)])


def _start(source: ImageSource, name: str) -> str:
    """Return the folder that the source's paths are relative to."""
    if name.startswith(TFDS_PREFIX) or name == "digits":
        return common_folder(source)
    path = absolute(name)
    return str(path.parent if _is_table(path) else path)


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
        "Expected a folder with one folder of images per class, such as photos/ with photos/cats and "
        "photos/dogs."
    )
