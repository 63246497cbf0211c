"""Labeled images that are not the run's own, for `evaluate --data`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tl_keras.core.console import progress
from tl_keras.core.geometry import Geometry
from tl_keras.core.wording import did_you_mean
from tl_keras.data.decode_examples import check
from tl_keras.data.example import Example
from tl_keras.data.loaders import ImageLoader, Loader
from tl_keras.data.sources.finding_kinds import TRAINING_ONLY
from tl_keras.data.sources.read import read_source, require_no_errors
from tl_keras.errors import DataError
from tl_keras.features.cached_backbone import cached_trunk
from tl_keras.models.classifier import head_of, trunk_of
from tl_keras.runs.dataset_messages import say_problems
from tl_keras.runs.run import Run


def evaluated_part(
    run: Run, classifier: Any, wanted: Sequence[Example], others: str | Path | None
) -> tuple[Any, Loader]:
    """Return the part of the classifier that is to be measured, and the rows that it takes.

    Of the run's own images all must be readable; `others` may have broken ones, which are left out.
    """
    geometry, labels, task = run.info.geometry, run.info.labels, run.info.task
    if not run.config.features:
        examples = wanted if others is None else _readable(_checked(wanted, geometry), others)
        return classifier, ImageLoader(examples, labels, geometry, task=task, cache_mb=0)
    cached = cached_trunk(trunk_of(classifier), run.config, geometry)
    examples = (
        cached.refresh(wanted) if others is None else _readable(cached.check_and_compute(wanted), others)
    )
    cached.remember_user(run.folder.path)
    return head_of(classifier), cached.loader(examples, labels, task)


def read_external_images(run: Run, data: str, split: str | None) -> list[Example]:
    """Return the images of another source, all of whose classes the model knows.

    Raises:
        DataError: There are none, or they have unknown classes.
    """
    # Groups and exclusions are about the run's own images.
    settings = run.config.data.model_copy(update={"source": data, "group_by": None, "exclude": None})
    source = require_no_errors(read_source(settings, for_training=False), data, but=TRAINING_ONLY)
    _require_known(source.classes, run.info.labels)
    wanted = [replace(e, group="") for e in source.examples if split is None or e.split == split]
    if not wanted:
        raise DataError(f"{data} has no images of split {split!r}; leave --split out to use all of them.")
    return wanted


def _checked(examples: Sequence[Example], geometry: Geometry) -> list[Example]:
    with progress("checking images", len(examples)) as advance:
        return check(examples, geometry, advance)


def _readable(checked: Sequence[Example], data: str | Path) -> list[Example]:
    say_problems(checked)
    good = [example for example in checked if example.is_used]
    if not good:
        raise DataError(f"No readable images in {data}.")
    return good


def _require_known(found: Sequence[str], known: Sequence[str]) -> None:
    unknown = [name for name in found if name not in known]
    if unknown:
        raise DataError(
            f"The model does not know these classes: {', '.join(unknown)}."
            f"{did_you_mean(unknown[0], known)} It knows: {', '.join(known)}."
        )
