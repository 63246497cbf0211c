"""What is said about the images of a run: what is left out and why, and how many are used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from tl_keras.config.schema import DataConfig
from tl_keras.core.console import escape_control, say, warn
from tl_keras.core.wording import counted
from tl_keras.data.example import SPLITS, Example
from tl_keras.data.listing import absolute
from tl_keras.data.missing import missing_hint
from tl_keras.data.splits import leaked
from tl_keras.errors import SkipReason

MAX_LISTED = 10
CONFLICTING = "are there under several labels"


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


def say_left_out(examples: Sequence[Example]) -> None:
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


def say_counts(examples: Sequence[Example], classes: int) -> None:
    used = [example for example in examples if example.is_used]
    sizes = Counter(example.split for example in used)
    parts = ", ".join(
        f"{split} {sizes[split]} ({sizes[split] / len(used):.1%})" for split in SPLITS if sizes[split]
    )
    say(f"{len(used)} images in {classes} classes: {parts}")
    groups = Counter(example.group for example in used if example.group)
    if groups:
        of_groups = counted(len(groups), "group")
        say(f"{groups.total()} of them are in {of_groups} of near-duplicates or of images you have grouped")
    copies = leaked(used)
    if copies:
        warn(
            f"of {counted(len(copies), 'image')} of val or test there are copies or relatives in train: "
            "their figures flatter; tlk evaluate gives the accuracy without them."
        )


def say_conflicts(examples: Sequence[Example]) -> None:
    """List the images that are left out because they have several labels."""
    conflicting = [example for example in examples if example.skipped is SkipReason.CONFLICTING_LABELS]
    _list(conflicting, len(examples), CONFLICTING)
