"""The first phase without a frozen backbone: all in one step from pretrained weights, or from random ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from tl_keras.config.schema import Config, HeadConfig
from tl_keras.data.sources.source import ImageSource
from tl_keras.distributed.devices import DevicePlan
from tl_keras.phases.adaptation import adapt
from tl_keras.phases.build import build, say_plan
from tl_keras.phases.finetune_plan import plan_finetuning
from tl_keras.phases.head import Trained
from tl_keras.runs.dataset import Dataset, prepared
from tl_keras.runs.folder import PHASES, RunFolder
from tl_keras.runs.run import Run
from tl_keras.runs.settings import with_kept_exclusions
from tl_keras.training.spec import TrainSpec
from tl_keras.training.trainer import train_phase


def train_full(stored: Run, classifier: Any, device: DevicePlan, folder: Path, *, used_by: Path) -> Trained:
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
    found = plan_finetuning(stored, classifier, stored.config, device, used_by=used_by)
    with found.seen("train") as train, found.seen("val") as val:
        phase = train_phase(found.spec(train, val), folder)
    reported = found.seen(found.stored.prepared.reported_split)
    return Trained(found.stored, classifier, found.model, reported, phase)


def train_scratch(stored: Run, classifier: Any, device: DevicePlan, folder: Path) -> Trained:
    """Train head and backbone from random weights, as `train` says; BatchNorm learns its statistics."""
    stored = _with_linear_head(stored)
    with stored.loader("train") as train, stored.loader("val") as val:
        phase = train_phase(
            TrainSpec(classifier, train, val, stored.config, stored.config.train, device), folder
        )
    reported = stored.loader(stored.prepared.reported_split)
    return Trained(stored, classifier, classifier, reported, phase)


def _with_linear_head(stored: Run) -> Run:
    """Return the run with the head that it has, where the settings left it open."""
    head = stored.config.head or HeadConfig()
    return replace(stored, config=stored.config.model_copy(update={"head": head}))


def train_whole(
    config: Config,
    device: DevicePlan,
    source: ImageSource,
    begun: Dataset | None,
    run: RunFolder,
    final: Path,
) -> Trained:
    """Train head and backbone together."""
    full, phase = config.transfer == "full", PHASES[config.transfer]
    classifier, info = build(config, source.classes, device, phase, frozen=full)
    say_plan(config, device)
    config = with_kept_exclusions(config, run, final)
    stored = Run(run, config, info, begun or prepared(run, source, config))
    if full:
        return train_full(stored, classifier, device, run.phases_dir / phase, used_by=final)
    return train_scratch(stored, classifier, device, run.phases_dir / phase)
