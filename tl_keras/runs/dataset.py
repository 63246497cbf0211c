"""Source -> checked examples with their splits, and what is said about them."""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from tl_keras.config.schema import Config, DataConfig
from tl_keras.core.console import (
    escape_control,
    progress,
    say,
    warn,
)
from tl_keras.core.files import remove, write_text
from tl_keras.core.geometry import Geometry
from tl_keras.core.wording import counted
from tl_keras.data import manifest
from tl_keras.data.checking import check
from tl_keras.data.example import SPLITS, Example
from tl_keras.data.listing import absolute
from tl_keras.data.missing import missing_hint
from tl_keras.data.selection import limited, without_copies
from tl_keras.data.sources.source import ImageSource
from tl_keras.data.splits import assign_splits, leaked, require_files
from tl_keras.errors import DataError, RunError, SkipReason
from tl_keras.inspection.copies import inspected
from tl_keras.runs.folder import RunFolder, damaged_run

MAX_LISTED = 10

CONFLICTING = "are there under several labels"


@dataclass(frozen=True, slots=True)
class Dataset:
    """All examples of a run, those left out included.

    Attributes:
        examples: In the source's order; `skipped` tells which were left out and why.
        classes: Class names in the order of the model's outputs.
    """

    examples: tuple[Example, ...]
    classes: tuple[str, ...]

    def split(self, name: str) -> list[Example]:
        """Return the usable examples of one split."""
        return [e for e in self.examples if e.split == name and e.is_used]

    @property
    def reported_split(self) -> str:
        """`test`, or `val` where the source has no test images."""
        return "test" if self.split("test") else "val"


def check_images(examples: Sequence[Example], geometry: Geometry) -> list[Example]:
    """Check every image, with a progress bar."""
    with progress("checking images", len(examples)) as advance:
        return check(examples, geometry, advance)


def prepare(
    source: ImageSource, config: DataConfig, seed: int, checker: Callable[[Sequence[Example]], list[Example]]
) -> Dataset:
    """Check every image, decide which are used and in which split, and say what was found.

    Args:
        source: The images.
        config: For the shares of the splits, and how many images may be bad.
        seed: Decides the splits.
        checker: Gives every example its `sha256`, `skipped` and `group`.

    Raises:
        DataError: A class has too few readable images, or too many images cannot be read.
        ConfigError: Folds are asked for, and the source has its own val or test.
    """
    for remark in source.remarks:
        warn(remark)
    require_files(source.examples, config)
    checked = checker(source.examples)
    say_problems(checked)
    say_where_missing(checked, config)
    _require_good(checked, config)
    kept = without_copies(checked)
    conflicting = [example for example in kept if example.skipped is SkipReason.CONFLICTING_LABELS]
    _list(conflicting, len(kept), CONFLICTING)
    divided = assign_splits(kept, config, seed)
    prepared = Dataset(tuple(limited(divided, config.limit_per_class, seed)), source.classes)
    _require_images(prepared)
    _say_left_out(prepared.examples)
    _say_counts(prepared)
    return prepared


def _require_good(checked: Sequence[Example], config: DataConfig) -> None:
    """Stop where too many images cannot be read."""
    bad = sum(example.is_broken for example in checked)
    wanted = sum(not example.is_excluded for example in checked)
    if bad and config.on_bad == "fail":
        raise DataError(f"{bad} of {wanted} images cannot be read, and data.on_bad is fail.")
    if bad and bad / wanted > config.max_bad:
        raise DataError(
            f"{bad} of {wanted} images cannot be read, more than data.max_bad allows "
            f"({config.max_bad:.0%}). Mend or remove them; tlk inspect lists all of them.\n"
            f"To go on without them: --set data.max_bad={math.ceil(100 * bad / wanted) / 100:g}"
        )


def _require_images(prepared: Dataset) -> None:
    for split in ("train", "val"):
        if not prepared.split(split):
            raise DataError(f"No readable images are left in {split}; see the reasons above.")
    found = {label for example in prepared.split("train") for label in example.labels}
    missing = [name for name in prepared.classes if name not in found]
    if missing:
        raise DataError(
            f"No readable training images are left of: {', '.join(missing)}. Add some, or remove the class."
        )


def say_problems(checked: Sequence[Example]) -> None:
    """List the images that cannot be read, the first ten with their reasons."""
    _list([example for example in checked if example.is_broken], len(checked), "cannot be read")


def say_where_missing(checked: Sequence[Example], config: DataConfig) -> None:
    """Of files that a manifest names and that are not there, say where they were looked for."""
    missing = [example.path for example in checked if example.skipped is SkipReason.MISSING]
    manifest = absolute(str(config.source))
    if missing and manifest.is_file():
        warn(missing_hint(missing, manifest.parent))


def _list(some: Sequence[Example], of: int, what: str) -> None:
    if not some:
        return
    warn(f"{len(some)} of {of} images {what} and {'is' if len(some) == 1 else 'are'} left out:")
    for example in some[:MAX_LISTED]:
        say(f"  {escape_control(example.path)}: {escape_control(example.problem)}")
    if len(some) > MAX_LISTED:
        say(f"  ... and {len(some) - MAX_LISTED} more; tlk inspect lists all of them")


def _say_left_out(examples: Sequence[Example]) -> None:
    """Say how many of the readable images are left out, and why."""
    reasons = {
        SkipReason.EXCLUDED: "excluded by data.exclude",
        SkipReason.EXACT_COPY: "exact copies of others",
        SkipReason.OVER_LIMIT: "beyond data.limit_per_class",
    }
    counts = Counter(example.skipped for example in examples)
    for reason, text in reasons.items():
        if counts[reason]:
            say(f"{counted(counts[reason], 'image')} left out: {text}")


def _say_counts(prepared: Dataset) -> None:
    used = [example for example in prepared.examples if example.is_used]
    sizes = Counter(example.split for example in used)
    parts = ", ".join(
        f"{split} {sizes[split]} ({sizes[split] / len(used):.1%})" for split in SPLITS if sizes[split]
    )
    say(f"{len(used)} images in {len(prepared.classes)} classes: {parts}")
    groups = Counter(example.group for example in used if example.group)
    if groups:
        say(f"{groups.total()} of them in {counted(len(groups), 'group')} of near-duplicates or by name")
    copies = leaked(used)
    if copies:
        warn(
            f"of {counted(len(copies), 'image')} of val or test there are copies or relatives in train: "
            "their figures flatter; tlk evaluate gives the accuracy without them."
        )


def begun_with(run: RunFolder, source: ImageSource, *, overwrite: bool) -> Dataset | None:
    """Return the checked images of a run that goes on; None for a new one, or one that begins anew.

    Raises:
        RunError: The images are not those that it was begun with, and `overwrite` is not given.
    """
    if not run.manifest_file.is_file():
        return None
    examples = read_examples(run)
    before, now = ({(e.path, e.label, e.is_excluded) for e in part} for part in (examples, source.examples))
    newer = _changed_after(run, before & now)
    if before == now and not newer:
        return Dataset(examples, source.classes)
    if overwrite:
        remove(run.phases_dir)
        return None
    raise RunError(
        f"The images have changed since this run was begun: {len(now - before)} are new, "
        f"{len(before - now)} are gone, {newer} were written anew.\n"
        "Bring back what there was, choose another --name, or begin anew with --overwrite."
    )


def prepared(run: RunFolder, source: ImageSource, config: Config) -> Dataset:
    """Inspect the images, decide their splits and write both down."""
    found = prepare(source, config.data, config.runtime.seed, lambda examples: inspected(examples, config))
    write_text(run.manifest_file, manifest.to_csv(found.examples))
    return found


def _changed_after(run: RunFolder, images: Iterable[tuple[str, str, bool]]) -> int:
    """Return how many image files were written after the manifest was."""
    checked = run.manifest_file.stat().st_mtime
    return sum(os.stat(path).st_mtime > checked for path, *_ in images if os.path.exists(path))


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
