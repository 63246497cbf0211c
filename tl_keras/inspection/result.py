"""What an inspection found: for programs as plain values, for people to edit as issues.csv."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tl_keras.data.findings import Finding

COLUMNS = (
    "severity", "kind", "path", "label", "split", "detail", "other", "score", "action", "new_label"
)  # fmt: skip
"""Of issues.csv. `action` is for the user: `exclude`, or `relabel` to new_label; empty for nothing."""


@dataclass(frozen=True, slots=True)
class Inspection:
    """All that was found out about a set of labeled images.

    Attributes:
        data: What the user called it.
        images: How many there are.
        readable: How many of them can be used.
        classes: Class -> split (empty where the source has none) -> readable images.
        findings: Errors first; within a kind the worst first.
        labels_checked: Whether it was asked which labels are probably wrong.
    """

    data: str
    images: int
    readable: int
    classes: Mapping[str, Mapping[str, int]]
    findings: tuple[Finding, ...]
    labels_checked: bool

    @property
    def severities(self) -> Counter[str]:
        """Findings per severity."""
        return Counter(finding.kind.severity for finding in self.findings)

    def by_kind(self) -> dict[str, list[Finding]]:
        """Return kind -> its findings, errors first."""
        kinds: dict[str, list[Finding]] = {}
        for finding in self.findings:
            kinds.setdefault(finding.kind.name, []).append(finding)
        return kinds

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "data": self.data,
            "images": self.images,
            "readable": self.readable,
            "classes": {label: dict(counts) for label, counts in self.classes.items()},
            "labels_checked": self.labels_checked,
            "severities": dict(self.severities),
            "kinds": {name: len(same) for name, same in self.by_kind().items()},
            "findings": [_row(finding) for finding in self.findings],
        }

    def to_csv(self) -> str:
        """Return the text of issues.csv: a row per finding."""
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, COLUMNS, restval="")  # else a \\r in a path would not be quoted
        writer.writeheader()
        writer.writerows(_row(finding) for finding in self.findings)
        return text.getvalue()


def _row(finding: Finding) -> dict[str, Any]:
    return {
        "severity": finding.kind.severity,
        "kind": finding.kind.name,
        "path": finding.path,
        "label": finding.label,
        "split": finding.split,
        "detail": finding.detail,
        "other": finding.other,
        "score": round(finding.score, 4),
        "new_label": finding.suggestion,
    }
