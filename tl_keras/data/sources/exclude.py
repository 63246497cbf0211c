"""A table of images to leave out or relabel: the edited issues.csv of `tlk inspect`, or a list of paths."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from tl_keras.core.wording import counted, did_you_mean, listed
from tl_keras.data.csv_table import CsvTable, read_csv
from tl_keras.data.example import LABEL_SEPARATOR, Example
from tl_keras.data.findings import Finding
from tl_keras.data.listing import absolute_text
from tl_keras.data.sources import finding_kinds as kinds
from tl_keras.data.sources.source import ImageSource
from tl_keras.data.sources.table import sorted_labels
from tl_keras.errors import ConfigError, SkipReason

KEEP, EXCLUDE, RELABEL = "keep", "exclude", "relabel"


class _Action(NamedTuple):
    """What to do with an image, and the label that it gets by `relabel`."""

    name: str
    label: str


def apply_exclusions(
    source: ImageSource, file: Path, *, multilabel: bool = False, ordered: bool = False
) -> ImageSource:
    """Leave images out and relabel others as a table says, which has the columns path, action and new_label.

    A blank action or `keep` does nothing; a table without the column `action` lists what is to be left out.
    Findings about one image that this settles are gone afterwards, such as a second label in a manifest.

    Args:
        source: The images.
        file: The table; its paths are absolute or relative to its folder.
        multilabel: Whether an image may have several classes.
        ordered: Whether the order of the classes has a meaning: then new ones are appended, else all are
            sorted. Classes that have lost their images are gone either way.

    Raises:
        ConfigError: Not found, or a row that makes no sense.
        DataError: It is no table.
    """
    if not file.is_file():
        raise ConfigError(f"data.exclude: not found: {file}.")
    actions = _actions(read_csv(file), str(file.parent), multilabel=multilabel)
    examples = tuple(_apply(example, actions.get(example.path), file.name) for example in source.examples)
    used = {label for example in examples if example.is_used for label in example.labels}
    kept = [label for label in source.classes if label in used]
    classes = (*kept, *sorted(used - set(kept))) if ordered else tuple(sorted(used))
    findings = tuple(finding for finding in source.findings if not _is_settled(finding, actions))
    changed = replace(source, examples=examples, classes=classes, findings=findings)
    return changed.with_findings(_exclusion_findings(source, actions, file))


def effective_table(file: Path, *, multilabel: bool) -> str:
    """Return what a table asks for as a table of its own, which works from any folder.

    Raises:
        ConfigError: A row makes no sense.
        DataError: It is no table.
    """
    actions = _actions(read_csv(file), str(file.parent), multilabel=multilabel)
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(("path", "action", "new_label"))
    writer.writerows((path, action.name, action.label) for path, action in actions.items())
    return text.getvalue()


def _actions(table: CsvTable, folder: str, *, multilabel: bool) -> dict[str, _Action]:
    """Return absolute path -> action; nothing for images that are to be kept as they are."""
    if "path" not in table.header:
        found = listed(table.header) or "nothing"
        raise ConfigError(
            f"data.exclude: {table.name} has no column 'path'.{did_you_mean('path', table.header)}\n"
            f"Expected the header path or path,action,new_label; found {found}."
        )
    actions: dict[str, _Action] = {}
    for number, (path, verb, label) in table.select("path", "action", "new_label"):
        where = f"data.exclude: {table.name}, line {number}"
        action = _action(verb.lower() if "action" in table.header else EXCLUDE, label, where, multilabel)
        if action is None:
            continue
        if not path:
            raise ConfigError(f"{where}: the path is empty.")
        known = actions.setdefault(absolute_text(path, folder), action)
        if known != action:
            raise ConfigError(f"{where}: {_named(action)} for {path!r} here and {_named(known)} before.")
    return actions


def _action(verb: str, label: str, where: str, multilabel: bool) -> _Action | None:
    if verb in ("", KEEP):
        return None
    if verb == EXCLUDE:
        return _Action(EXCLUDE, "")
    if verb != RELABEL:
        near = did_you_mean(verb, (KEEP, EXCLUDE, RELABEL))
        raise ConfigError(f"{where}: expected the action keep, exclude or relabel, found {verb!r}.{near}")
    label = sorted_labels(label) if multilabel else label
    if not label:
        raise ConfigError(f"{where}: relabel needs the right label in the column new_label.")
    if not multilabel and LABEL_SEPARATOR in label:
        raise ConfigError(f"{where}: {label!r} names several classes, but data.task is multiclass.")
    if len(f"{label}|".splitlines()) > 1:
        raise ConfigError(f"{where}: class names must be one line; found {label!r}.")
    return _Action(RELABEL, label)


def _named(action: _Action) -> str:
    return f"relabel to {action.label!r}" if action.label else action.name


def _apply(example: Example, action: _Action | None, name: str) -> Example:
    if action is None:
        return example
    if action.name == EXCLUDE:
        return example.skip(SkipReason.EXCLUDED, name)
    return replace(example, label=action.label)


def _is_settled(finding: Finding, actions: Mapping[str, _Action]) -> bool:
    action = actions.get(finding.path)
    if action is None or finding.kind not in kinds.ABOUT_ONE_IMAGE:
        return False
    return action.name == EXCLUDE or finding.kind == kinds.CONFLICTING_LABELS


def _exclusion_findings(source: ImageSource, actions: Mapping[str, _Action], file: Path) -> list[Finding]:
    """Return how many rows were applied, and how many match no image."""
    here = {example.path for example in source.examples}
    known = here | {found.path for found in source.findings if _is_settled(found, actions)}
    findings = []
    done = [action.name for path, action in actions.items() if path in here]
    if done:
        left_out, relabeled = counted(done.count(EXCLUDE), "image"), done.count(RELABEL)
        detail = f"{left_out} left out and {relabeled:,} relabeled by {file.name}"
        findings.append(Finding(kinds.EXCLUSIONS, str(file), detail))
    strange = [path for path in actions if path not in known]
    if strange:
        detail = f"{counted(len(strange), 'path')} in {file.name} not among the images: {listed(strange, 3)}"
        findings.append(Finding(kinds.UNMATCHED_EXCLUSIONS, str(file), detail))
    return findings
