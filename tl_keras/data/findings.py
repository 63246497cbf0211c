"""What can be wrong with a set of labeled images, and one case of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")
"""The worst first."""


@dataclass(frozen=True, slots=True)
class FindingKind:
    """A kind of finding.

    Attributes:
        name: In issues.csv and JSON, e.g. `empty_file`.
        severity: `error` should be mended, `warning` looked at, `note` known.
        title: What it is, in the plural, e.g. `empty files`.
        meaning: Why it matters, a sentence.
        fit: What `tlk fit` does about it, a sentence.
    """

    name: str
    severity: Severity
    title: str
    meaning: str
    fit: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One case of a kind.

    Attributes:
        kind: What it is.
        path: The file or folder that it is about.
        detail: What was found there, in a few words or, for errors that stop `tlk fit`, lines.
        label: Of the image, if it is about one.
        split: The same.
        other: The path of the image that this one is a copy of, or such like.
        suggestion: The label that fits better.
        score: The worst findings of a kind have the highest.
    """

    kind: FindingKind
    path: str
    detail: str = ""
    label: str = ""
    split: str = ""
    other: str = ""
    suggestion: str = ""
    score: float = 0.0
