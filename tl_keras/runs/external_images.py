"""Labelled images that are not the run's own, for `evaluate --data`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tl_keras.core.wording import did_you_mean
from tl_keras.data.example import Example
from tl_keras.data.loaders import ImageLoader, Loader
from tl_keras.data.sources.kinds import TRAINING_ONLY
from tl_keras.data.sources.read import read_source, require_no_errors
from tl_keras.errors import DataError
from tl_keras.features.cached_backbone import cached_trunk
from tl_keras.models.classifier import head_of, trunk_of
from tl_keras.runs.dataset import check_images, say_problems
from tl_keras.runs.run import Run


def model_outputs(
    stored: Run, classifier: Any, wanted: Sequence[Example], others: str | Path | None
) -> tuple[Any, Loader]:
    """Return the part of the classifier that is to be measured, and the rows that it takes.

    Of the run's own images all must be readable; `others` may have broken ones, which are left out.
    """
    geometry, labels, task = stored.info.geometry, stored.info.labels, stored.info.task
    if not stored.config.features:
        examples = wanted if others is None else _readable(check_images(wanted, geometry), others)
        return classifier, ImageLoader(examples, labels, geometry, task=task, cache_mb=0)
    frozen = cached_trunk(trunk_of(classifier), stored.config, geometry)
    examples = (
        frozen.refresh(wanted) if others is None else _readable(frozen.check_and_compute(wanted), others)
    )
    frozen.remember_user(stored.run.folder)
    return head_of(classifier), frozen.loader(examples, labels, task)


def read_external_images(stored: Run, data: str, split: str | None) -> list[Example]:
    # Groups and exclusions are about the run's own images.
    settings = stored.config.data.model_copy(update={"source": data, "group_by": None, "exclude": None})
    source = require_no_errors(read_source(settings, for_training=False), data, but=TRAINING_ONLY)
    _require_known(source.classes, stored.info.labels)
    wanted = [replace(e, group="") for e in source.examples if split is None or e.split == split]
    if not wanted:
        raise DataError(f"{data} has no images of split {split!r}; leave --split out to use all of them.")
    return wanted


def _readable(checked: Sequence[Example], data: str | Path) -> list[Example]:
    say_problems(checked)
    good = [example for example in checked if not example.problem]
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
