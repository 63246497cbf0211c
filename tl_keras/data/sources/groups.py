"""Groups of images that belong together, told by their paths."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tl_keras.core.wording import counted
from tl_keras.data.findings import Finding
from tl_keras.data.sources import finding_kinds as kinds
from tl_keras.data.sources.source import ImageSource
from tl_keras.errors import ConfigError


def group_by(source: ImageSource, expression: str, folder: str) -> ImageSource:
    """Give images the group that a regular expression finds in their paths; groups given already stay.

    Args:
        source: The images.
        expression: Searched for in the path relative to `folder`, with `/`. Its first group counts if it has
            one, else all that it matched. An image without a match has no group.
        folder: Where the source's paths start.

    Raises:
        ConfigError: No path matches.
    """
    pattern = re.compile(expression)
    paths = [_relative(example.path, folder) for example in source.examples]
    found = [_group(pattern, path) for path in paths]
    if paths and not any(found):
        raise ConfigError(
            f"data.group_by: {expression!r} finds nothing in any of the {counted(len(paths), 'path')}, "
            f"e.g. {paths[0]!r}."
        )
    examples = [
        replace(example, group=example.group or group)
        for example, group in zip(source.examples, found, strict=True)
    ]
    return replace(source, examples=tuple(examples))


def grouped(source: ImageSource, name: str) -> Iterator[Finding]:
    """Yield how many groups there are, if any."""
    groups = [example.group for example in source.examples if example.group]
    if groups:
        number, all_images = counted(len(set(groups)), "group"), counted(len(source.examples), "image")
        detail = f"{number} in {len(groups):,} of {all_images}"
        yield Finding(kinds.GROUPS, name, detail)


def common_folder(source: ImageSource) -> str:
    """Return the folder that all images lie in or below, or an empty string."""
    try:
        return os.path.commonpath([os.path.dirname(example.path) for example in source.examples])
    except ValueError:  # none at all, or on different drives
        return ""


def _relative(path: str, folder: str) -> str:
    start = os.path.join(folder, "")
    return Path(path.removeprefix(start)).as_posix()


def _group(pattern: re.Pattern[str], path: str) -> str:
    match = pattern.search(path)
    if match is None:
        return ""
    return (match.group(1) if pattern.groups else match.group()) or ""
