"""The images of a run: inspected, split and written down, or those of an interrupted run."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from tl_keras.config.schema import Config, DataConfig
from tl_keras.core.console import warn
from tl_keras.core.files import remove, write_text
from tl_keras.data import manifest
from tl_keras.data.example import Example
from tl_keras.data.selection import limited, without_copies
from tl_keras.data.sources.source import ImageSource
from tl_keras.data.splits import assign_splits, require_files
from tl_keras.errors import DataError, RunError
from tl_keras.inspection.inspect_images import inspect_images
from tl_keras.runs.dataset_messages import (
    say_conflicts,
    say_counts,
    say_left_out,
    say_problems,
    say_where_missing,
)
from tl_keras.runs.folder import RunFolder, damaged_run


@dataclass(frozen=True, slots=True)
class Dataset:
    """All images of a run, those left out included.

    Attributes:
        examples: In the source's order; `skipped` tells which were left out and why.
        classes: Class names in the order of the model's outputs.
    """

    examples: tuple[Example, ...]
    classes: tuple[str, ...]

    def split(self, name: str) -> list[Example]:
        """Return the usable images of one split."""
        return [e for e in self.examples if e.split == name and e.is_used]

    @property
    def used(self) -> list[Example]:
        """All images that are not left out."""
        return [example for example in self.examples if example.is_used]

    @property
    def reported_split(self) -> str:
        """`test`, or `val` where the source has no test images."""
        return "test" if self.split("test") else "val"

    def with_hashes(self, examples: Iterable[Example]) -> Dataset:
        """Return the dataset with the contents that these of its images have by now."""
        hashes = {example.path: example.sha256 for example in examples}
        return replace(
            self,
            examples=tuple(replace(e, sha256=hashes.get(e.path, e.sha256)) for e in self.examples),
        )


def prepare_dataset(run: RunFolder, source: ImageSource, config: Config) -> Dataset:
    """Inspect every image, decide which are used and in which split, say so and write it down.

    Raises:
        DataError: A class has too few readable images, or too many images cannot be read.
        ConfigError: Folds are asked for, and the source has its own val or test.
    """
    for remark in source.remarks:
        warn(remark)
    settings, seed = config.data, config.runtime.seed
    require_files(source.examples, settings)
    inspected = inspect_images(source.examples, config)
    say_problems(inspected)
    say_where_missing(inspected, settings)
    _require_good(inspected, settings)
    kept = without_copies(inspected)
    say_conflicts(kept)
    divided = assign_splits(kept, settings, seed)
    dataset = Dataset(tuple(limited(divided, settings.limit_per_class, seed)), source.classes)
    _require_images(dataset)
    say_left_out(dataset.examples)
    say_counts(dataset.examples, len(dataset.classes))
    write_text(run.manifest_file, manifest.to_csv(dataset.examples))
    return dataset


def interrupted_dataset(run: RunFolder, source: ImageSource, *, overwrite: bool) -> Dataset | None:
    """Return the images of a run that is resumed; None for a new one, or one that restarts.

    Raises:
        RunError: The images are not those that it started with, and `overwrite` is not given.
    """
    if not run.manifest_file.is_file():
        return None
    changes = changes_since(run, source)
    if not changes:
        return Dataset(read_examples(run), source.classes)
    if overwrite:
        remove(run.phases_dir)
        return None
    raise RunError(
        f"The images have changed since this run started: {changes}.\n"
        "Bring back what there was, choose another --name, or restart with --overwrite."
    )


def changes_since(run: RunFolder, source: ImageSource) -> str:
    """Return how the images differ from those in the run's manifest, in words; empty if they do not."""
    before = {(e.path, e.label, e.is_excluded) for e in read_examples(run)}
    now = {(e.path, e.label, e.is_excluded) for e in source.examples}
    newer = _changed_after(run, before & now)
    if before == now and not newer:
        return ""
    return f"{len(now - before)} are new, {len(before - now)} are gone, {newer} have been rewritten"


def read_dataset(run: RunFolder, classes: tuple[str, ...]) -> Dataset:
    """Return the images of a finished run.

    Raises:
        RunError: Its manifest is damaged.
    """
    return Dataset(read_examples(run), classes)


def read_examples(run: RunFolder) -> tuple[Example, ...]:
    """Return all images of a run, those left out included.

    Raises:
        RunError: Its manifest is damaged.
    """
    try:
        # As bytes: reading text would change line breaks inside of names.
        return tuple(manifest.from_csv(run.manifest_file.read_bytes().decode("utf-8")))
    except UnicodeDecodeError:
        raise damaged_run(run, f"{run.manifest_file} is not UTF-8 text.") from None


def _require_good(inspected: Sequence[Example], config: DataConfig) -> None:
    """Stop where too many images cannot be read."""
    bad = sum(example.is_broken for example in inspected)
    wanted = sum(not example.is_excluded for example in inspected)
    if bad and config.on_bad == "fail":
        raise DataError(f"{bad} of {wanted} images cannot be read, and data.on_bad is fail.")
    if bad and bad / wanted > config.max_bad:
        raise DataError(
            f"{bad} of {wanted} images cannot be read, more than data.max_bad allows "
            f"({config.max_bad:.0%}). Fix or remove them; tlk inspect lists all of them.\n"
            f"To train without them: --set data.max_bad={math.ceil(100 * bad / wanted) / 100:g}"
        )


def _require_images(dataset: Dataset) -> None:
    for split in ("train", "val"):
        if not dataset.split(split):
            raise DataError(f"No readable images are left in {split}; see the reasons above.")
    found = {label for example in dataset.split("train") for label in example.labels}
    missing = [name for name in dataset.classes if name not in found]
    if missing:
        raise DataError(
            f"No readable training images are left of: {', '.join(missing)}. Add some, or remove the class."
        )


def _changed_after(run: RunFolder, images: Iterable[tuple[str, str, bool]]) -> int:
    """Return how many image files were written after the manifest was."""
    checked = run.manifest_file.stat().st_mtime
    return sum(os.stat(path).st_mtime > checked for path, *_ in images if os.path.exists(path))
