"""Why the images that a manifest names are not found: where they are instead."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

TRIED = 20
"""So many of the missing paths are looked for elsewhere."""
FOLDERS = 50
"""And in so many folders beside the manifest."""
SUFFIXES = (".jpg", ".jpeg", ".png", ".JPG", ".JPEG", ".PNG")


def missing_hint(paths: Sequence[str], manifest_folder: Path) -> str:
    """Say in one line where images that are missing were looked for, and where there are some of that name.

    Args:
        paths: Absolute paths of missing images.
        manifest_folder: Where the manifest's relative paths start.
    """
    if not paths:
        return ""
    folder = os.path.abspath(manifest_folder)
    tried = [path.removeprefix(os.path.join(folder, "")) for path in paths[:TRIED]]
    looked = f"relative paths start at the manifest's folder, {folder}"
    for place, moved in _guesses(tried, folder):
        found = [(path, there) for path, there in zip(tried, moved, strict=True) if os.path.exists(there)]
        if found:
            path, there = found[0]
            written = os.path.relpath(there, folder).replace(os.sep, "/")
            return f"{looked}; {_of(len(found), len(tried))} {place}: write {written!r} instead of {path!r}"
    if any("\\" in path for path in tried):
        return f"{looked}; write / in paths instead of \\"
    return looked


def _guesses(tried: list[str], folder: str) -> Iterator[tuple[str, list[str]]]:
    """Yield a place, and the paths as they would be there."""
    parent = os.path.dirname(folder)
    yield "in the current folder", [os.path.join(os.getcwd(), path) for path in tried]
    yield "in the folder above", [os.path.join(parent, path) for path in tried]
    for name in _folders(folder):
        yield f"in {name}/", [os.path.join(folder, name, path) for path in tried]
    for suffix in SUFFIXES:
        stems = [os.path.splitext(path)[0] for path in tried]
        yield f"there with the suffix {suffix}", [os.path.join(folder, stem + suffix) for stem in stems]
    parts = [[part for part in path.replace("\\", "/").split("/") if part] for path in tried]
    for dropped in range(max(map(len, parts))):
        # Of a path that is shorter than others nothing is left: then all of it, which is known to be missing.
        moved = [os.path.join(folder, *(path[dropped:] or path)) for path in parts]
        yield "below that folder", moved


def _folders(folder: str) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir())[:FOLDERS]
    except OSError:
        return []


def _of(found: int, tried: int) -> str:
    if found < tried:
        return f"{found} of the first {tried} are"
    return "it is" if tried == 1 else "they are"
