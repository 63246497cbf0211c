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

A message says what was expected, what was found and what to do next, in a few lines.
"""

from __future__ import annotations


class TlkError(Exception):
    """The root of all errors that are the user's to fix."""


class ConfigError(TlkError):
    """A setting that does not exist, does not fit, or contradicts another."""


class DataError(TlkError):
    """Images or labels that cannot be used as they are."""


class BadImage(DataError):
    """One file that cannot be decoded; its text is the reason, without the path."""


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
