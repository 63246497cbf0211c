"""`inspect`: what is wrong with a set of labeled images, before anything is trained on it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tl_keras.config.schema import Config
from tl_keras.core.console import warn
from tl_keras.core.files import write_text
from tl_keras.data.example import Example
from tl_keras.data.findings import Finding
from tl_keras.data.listing import absolute
from tl_keras.data.sources.read import read_source
from tl_keras.errors import ConfigError, RunError, TlkError
from tl_keras.inspection.checks import (
    class_counts,
    class_findings,
    copy_findings,
    file_findings,
    worst_first,
)
from tl_keras.inspection.copies import with_groups
from tl_keras.inspection.inspect_images import examine_and_compare
from tl_keras.inspection.result import Inspection
from tl_keras.inspection.sheet import SUFFIXES, save_sheet
from tl_keras.models.backbones import find
from tl_keras.runs.dataset_messages import say_where_missing

ISSUES_FILE = Path("issues.csv")


@dataclass(frozen=True, slots=True)
class InspectResult:
    """What `inspect` found and wrote.

    Attributes:
        inspection: The findings.
        issues: The table of findings; None when there are none, or it could not be written.
        sheet: The picture of the worst ones; None when it was not asked for or there is nothing to show.
    """

    inspection: Inspection
    issues: Path | None
    sheet: Path | None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        files = {"issues": self.issues and str(self.issues), "sheet": self.sheet and str(self.sheet)}
        return {**self.inspection.to_dict(), **files}


def inspect(
    data: str | Path | None = None,
    config: Config | None = None,
    *,
    labels: bool = False,
    issues: str | Path | None = None,
    sheet: str | Path | None = None,
    overwrite: bool = False,
) -> InspectResult:
    """Look for broken files, copies, leaks between splits, odd classes and, if asked, wrong labels.

    The images are only read. TensorFlow is needed for `labels` alone.

    Args:
        data: Where the images are; instead of `config.data.source`.
        config: All settings; None for the defaults.
        labels: Also look for labels that are probably wrong: the backbone's features of all images are
            computed, as `fit` will need them, and every image is judged by classifiers that did not see it.
        issues: Where the table of findings goes; None for issues.csv here, or issues-2.csv, ...
        sheet: Where a picture of the worst findings goes; None for none.
        overwrite: Replace `issues` and `sheet`, which may be edited by now.

    Raises:
        TlkError: The images cannot be listed, the settings do not fit, or a file exists already.
    """
    config = _with_source(config or Config(), data)
    if labels and config.data.task == "multilabel":
        raise ConfigError("--labels judges images with one label each; here data.task is multilabel.")
    taken = [config.data.source, config.data.exclude]
    issues_file = _free(issues, overwrite, taken) if issues is not None else None
    sheet_file = _free(sheet, overwrite, [*taken, issues]) if sheet is not None else None
    if sheet_file is not None and sheet_file.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"Expected a sheet named {' or '.join(SUFFIXES)}; found {sheet_file}.")
    inspection = _inspected(config, labels)
    if inspection.findings or issues is not None:
        issues_file = _written(inspection, issues_file or next(_names()))
    if sheet_file is not None:
        sheet_file = _drawn(inspection, sheet_file)
    return InspectResult(inspection, issues_file, sheet_file)


def _inspected(config: Config, labels: bool) -> Inspection:
    name = str(config.data.source)
    source = read_source(config.data, for_training=False)
    examined, copies = examine_and_compare(source.examples, config)
    say_where_missing(examined.examples, config.data)
    grouped = with_groups(examined.examples, copies)
    used = [example for example in grouped if not example.is_excluded]
    findings: list[Finding] = [
        *source.findings,
        *file_findings(examined, _input_side(config), name),
        *copy_findings(examined.examples, grouped, copies),
        *class_findings(used, config.data, name),
        *(_wrong_labels(used, source.classes, config) if labels else ()),
    ]
    readable = sum(example.is_used for example in used)
    return Inspection(name, len(used), readable, class_counts(used), worst_first(findings), labels)


def _input_side(config: Config) -> int:
    """Return the height and width of the model's input, as far as that is known without Keras."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        source = json.loads((Path(config.model.weights) / "source.json").read_text(encoding="utf-8"))
        return config.data.image_size or int(source["image_size"])
    return config.data.image_size or find(config.model.backbone).default_size


def _written(inspection: Inspection, file: Path) -> Path | None:
    """Write the table; what was found is printed even where it cannot be written."""
    try:
        # With a byte order mark, without which Excel takes it for another encoding.
        write_text(file, f"\ufeff{inspection.to_csv()}")
    except (TlkError, OSError) as error:
        warn(f"the table of findings could not be written: {error} Name another file: --issues FILE")
        return None
    return file


def _with_source(config: Config, data: str | Path | None) -> Config:
    if data is None:
        return config
    return config.model_copy(update={"data": config.data.model_copy(update={"source": str(data)})})


def _wrong_labels(examples: Sequence[Example], classes: Sequence[str], config: Config) -> Iterator[Finding]:
    from tl_keras.core.tensorflow_setup import import_tensorflow

    import_tensorflow()
    from tl_keras.phases.label_check import wrong_labels

    yield from wrong_labels(examples, classes, config)


def _drawn(inspection: Inspection, file: Path) -> Path | None:
    """Draw the sheet; what was found is printed even where it cannot be written."""
    try:
        if save_sheet(inspection, file):
            return file
        warn(f"none of the findings is about a picture: {file} was not written.")
    except (TlkError, OSError) as error:
        warn(f"the sheet could not be written: {error}")
    return None


def _free(file: str | Path, overwrite: bool, taken: Iterable[str | Path | None]) -> Path:
    """Return a file's path, if it may be written and is none of those that are in use."""
    path = Path(file)
    if any(other and absolute(str(other)) == absolute(str(path)) for other in taken):
        raise RunError(f"{path} is what this command works with; it would be lost. Choose another name.")
    if path.is_dir():
        raise RunError(f"{path} is a folder. Expected the name of a file to write.")
    if path.exists() and not overwrite:
        raise RunError(f"{path} exists already. Choose another name, or replace it with --overwrite.")
    if not path.absolute().parent.is_dir():
        raise RunError(f"There is no folder {path.absolute().parent} to write {path.name} into.")
    return path


def _names() -> Iterator[Path]:
    """Yield names for the table that are not taken: what is there may have been edited."""
    for number in itertools.count(1):
        file = ISSUES_FILE if number == 1 else ISSUES_FILE.with_stem(f"{ISSUES_FILE.stem}-{number}")
        if not file.exists():
            yield file
