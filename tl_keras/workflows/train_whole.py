"""The first phase without a frozen backbone: all in one step from pretrained weights, or from random ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from tl_keras.config import HeadConfig
from tl_keras.training.device import DevicePlan
from tl_keras.training.phase import Lesson, train_phase
from tl_keras.workflows.opening import adapt, opened
from tl_keras.workflows.stored import StoredRun
from tl_keras.workflows.train_head import Trained


def train_full(
    stored: StoredRun, classifier: Any, device: DevicePlan, folder: Path, *, used_by: Path
) -> Trained:
    """Train head and backbone at once from pretrained weights, as `finetune` says.

    Args:
        stored: The run: settings, and images with their splits.
        classifier: Pretrained but for its head.
        device: What to train on.
        folder: Where the phase's files go.
        used_by: The folder of the run that stored features are for.
    """
    stored = _with_linear_head(stored)
    if stored.config.finetune.batchnorm == "adapt":
        adapt(stored, classifier)
    found = opened(stored, classifier, stored.config, device, used_by=used_by)
    with found.seen("train") as train, found.seen("val") as val:
        phase = train_phase(found.lesson(train, val), folder)
    reported = found.seen(found.stored.prepared.reported_split)
    return Trained(found.stored, classifier, found.model, reported, phase)


def train_scratch(stored: StoredRun, classifier: Any, device: DevicePlan, folder: Path) -> Trained:
    """Train head and backbone from random weights, as `train` says; BatchNorm learns its statistics."""
    stored = _with_linear_head(stored)
    with stored.loader("train") as train, stored.loader("val") as val:
        phase = train_phase(
            Lesson(classifier, train, val, stored.config, stored.config.train, device), folder
        )
    reported = stored.loader(stored.prepared.reported_split)
    return Trained(stored, classifier, classifier, reported, phase)


def _with_linear_head(stored: StoredRun) -> StoredRun:
    """Return the run with the head that it has, where the settings left it open."""
    head = stored.config.head or HeadConfig()
    return replace(stored, config=stored.config.model_copy(update={"head": head}))
