"""Everything that can go wrong through no fault of ours.

TlkError                the root: `cli` prints its text and exits with 1
├── ConfigError         a setting, an option or a name that does not exist or does not fit
├── DataError           the images: wrong folder, no images, one class, a broken manifest
│   └── BadImage        one file that is not a readable image (the rest are used)
├── ModelError          a model file or its weights: missing, not one, not matching
├── TrainingError       a training that went wrong: the loss is no number any more
├── RunError            a run's folder: missing, unfinished, not to be written
│   └── NameTaken       a run of that name exists or is being written (in runs/lock.py)
└── MissingExtra        an optional package that the user has not installed

Terminated, a KeyboardInterrupt, is no error: SIGTERM asked the process to end.

A message says what was expected, what was found and what to do next, in a few lines.
"""

from __future__ import annotations

from enum import StrEnum


class Terminated(KeyboardInterrupt):
    """The process was asked to end by SIGTERM; handled as Ctrl-C is, but for the exit code."""


class TlkError(Exception):
    """The root of all errors that are the user's to fix."""


class ConfigError(TlkError):
    """A setting that does not exist, does not fit, or contradicts another."""


class DataError(TlkError):
    """Images or labels that cannot be used as they are."""


class SkipReason(StrEnum):
    """Why an image is left out.

    The value is how the sentence begins that says so, on the terminal and in a run's manifest.csv; the detail
    follows. No value begins with another one, so that the sentence can be taken apart again.
    """

    MISSING = "file not found"
    NO_PERMISSION = "permission denied"
    FOLDER = "a folder, not a file"
    UNREADABLE = "cannot be read: "
    EMPTY = "empty file"
    NOT_AN_IMAGE = "not a JPEG, PNG, BMP, GIF or WebP image"
    DAMAGED = "truncated or damaged: "
    TOO_LARGE = "more than "
    EXCLUDED = "excluded by "
    EXACT_COPY = "copy of "
    CONFLICTING_LABELS = "the same image has other labels too: "
    OVER_LIMIT = "beyond data.limit_per_class"

    @property
    def is_fault(self) -> bool:
        """Whether the file cannot be used, rather than not being wanted."""
        return self not in _NOT_WANTED


_NOT_WANTED = (
    SkipReason.EXCLUDED,
    SkipReason.EXACT_COPY,
    SkipReason.CONFLICTING_LABELS,
    SkipReason.OVER_LIMIT,
)


class BadImage(DataError):
    """One file that cannot be decoded; its text is the reason, without the path.

    Args:
        reason: Why.
        detail: What belongs to it, such as the decoder's message.
    """

    def __init__(self, reason: SkipReason, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail

    def __str__(self) -> str:
        return f"{self.reason}{self.detail}"


class ModelError(TlkError):
    """A model or weights file that is missing, unreadable or of another shape."""


class TrainingError(TlkError):
    """A training that cannot continue."""


class RunError(TlkError):
    """A run that does not exist, is unfinished, or would be overwritten."""


class MissingExtra(TlkError):
    """An optional package that is needed for what was asked."""

    def __init__(self, purpose: str, extra: str) -> None:
        super().__init__(
            f"{purpose} needs packages that are not installed.\n"
            f"Install them with: pip install 'tl_keras[{extra}]'"
        )
