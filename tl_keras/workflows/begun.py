"""The images of a new run: checked and split, or those that it was begun with before it was stopped."""

from __future__ import annotations

import os
from collections.abc import Iterable

from tl_keras.config import Config
from tl_keras.data import manifest
from tl_keras.data.prepare import Prepared, prepare
from tl_keras.data.sources.source import Source
from tl_keras.errors import RunError
from tl_keras.files import remove, write_text
from tl_keras.inspection.inspected import inspected
from tl_keras.run import Run
from tl_keras.workflows.stored import read_examples


def begun_with(run: Run, source: Source, *, overwrite: bool) -> Prepared | None:
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
        return Prepared(examples, source.classes)
    if overwrite:
        remove(run.phases_dir)
        return None
    raise RunError(
        f"The images have changed since this run was begun: {len(now - before)} are new, "
        f"{len(before - now)} are gone, {newer} were written anew.\n"
        "Bring back what there was, choose another --name, or begin anew with --overwrite."
    )


def prepared(run: Run, source: Source, config: Config) -> Prepared:
    """Inspect the images, decide their splits and write both down."""
    found = prepare(source, config.data, config.runtime.seed, lambda examples: inspected(examples, config))
    write_text(run.manifest_file, manifest.to_csv(found.examples))
    return found


def _changed_after(run: Run, images: Iterable[tuple[str, str, bool]]) -> int:
    """Return how many image files were written after the manifest was."""
    checked = run.manifest_file.stat().st_mtime
    return sum(os.stat(path).st_mtime > checked for path, *_ in images if os.path.exists(path))
