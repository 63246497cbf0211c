"""A classifier made ready for fine-tuning: what of it trains when, at which rate, and on what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from tl_keras.config.schema import Config
from tl_keras.core.console import say
from tl_keras.data.class_weights import require_known_classes
from tl_keras.data.loaders import Loader
from tl_keras.distributed.devices import DevicePlan
from tl_keras.errors import ConfigError, RunError
from tl_keras.features.cached_backbone import CachedBackbone, cached_below
from tl_keras.models.backbones import find
from tl_keras.models.classifier import backbone_of
from tl_keras.models.freeze_boundary import BoundarySplit, split_at_freeze_boundary
from tl_keras.models.layer_rates import LayerRates, describe_training, layer_rates
from tl_keras.models.source_model import SOURCE_FILE
from tl_keras.models.unfreezing import resolve_unfreeze, set_trainable
from tl_keras.runs.run import Run, open_run
from tl_keras.training.spec import Stage, TrainSpec


@dataclass(frozen=True, slots=True)
class FinetunePlan:
    """A classifier of which some layers are going to train.

    Attributes:
        run: Its run, with its images as they are now.
        config: The settings it is trained by.
        device: What it is trained on.
        model: The part that trains: all of it, or what lies above the freeze boundary.
        cached: The part below that boundary; None where whole images are trained on.
        stages: What trains for how long.
        layer_rates: Path of a variable -> by how much its learning rate is multiplied.
        anchored: Paths of the variables that `finetune.l2_sp` is about: the backbone's.
    """

    run: Run
    config: Config
    device: DevicePlan
    model: Any
    cached: CachedBackbone | None
    stages: tuple[Stage, ...]
    layer_rates: dict[str, float]
    anchored: frozenset[str]

    def loader(self, split: str) -> Loader:
        """Return a split as `model` takes it: activations at the boundary, or images."""
        return self.run.loader(split, self.cached)

    def spec(self, train: Loader, val: Loader) -> TrainSpec:
        """Return what to train on what."""
        phase = self.config.finetune
        return replace(
            TrainSpec.from_config(self.config, phase, self.device, self.model, train, val),
            stages=self.stages,
            layer_rates=self.layer_rates,
            l2_sp=phase.l2_sp,
            anchored=self.anchored,
        )


def load_for_finetuning(path: Path, config: Config, device: DevicePlan) -> tuple[Run, Any]:
    """Return a finished run and its classifier, if they can be fine-tuned by `config`.

    Raises:
        RunError: There is no finished run at `path`, it is damaged, or a source model.
        ConfigError: The settings would change what `fit` has decided for good, or name unknown classes.
    """
    _require_no_source(path)
    with device.strategy.scope():
        run, classifier = open_run(path)
    _require_same(run.config, config)
    require_known_classes(config, run.info.labels)
    return run, classifier


def plan_finetuning(run: Run, classifier: Any, config: Config, device: DevicePlan) -> FinetunePlan:
    """Unfreeze what `config.finetune` says, say so, and cache the activations of the part below.

    Args:
        run: Its images and their splits.
        classifier: Its classifier; what of it trains is changed.
        config: All settings.
        device: What to train on.

    Raises:
        ConfigError: The settings name no part of this network.
    """
    backbone, phase = find(config.model.backbone), config.finetune
    parts = [
        resolve_unfreeze(classifier, backbone, stage.unfreeze, affine=phase.batchnorm == "affine")
        for stage in phase.all_stages
    ]
    rates = layer_rates(
        classifier,
        backbone,
        learning_rate=phase.learning_rate,
        decay=phase.layer_lr_decay,
        table=phase.layer_lr,
    )
    _say_stages(classifier, config, parts, rates)
    # All stages are trained above one boundary: the lowest, below all that trains in any of them.
    set_trainable(classifier, frozenset().union(*parts))
    with device.strategy.scope():
        split = split_at_freeze_boundary(classifier) if config.stores_features else None
    run, cached = _cached_below(split, run, config)
    return FinetunePlan(
        run=run,
        config=config,
        device=device,
        model=classifier if cached is None or split is None else split.trainable,
        cached=cached,
        stages=tuple(
            Stage(stage.epochs, partial(set_trainable, classifier, part))
            for stage, part in zip(phase.all_stages, parts, strict=True)
        ),
        layer_rates=dict(rates.factors),
        anchored=frozenset(variable.path for variable in backbone_of(classifier).variables),
    )


def _say_stages(classifier: Any, config: Config, parts: Sequence[frozenset[str]], rates: LayerRates) -> None:
    """Say of each stage which blocks train, and at which rate."""
    phase = config.finetune
    rate = phase.effective_rate(phase.images_per_step * phase.accumulate)
    for stage, part in zip(phase.all_stages, parts, strict=True):
        set_trainable(classifier, part)
        named = stage.unfreeze if isinstance(stage.unfreeze, str) else ", ".join(stage.unfreeze)
        say(f"unfrozen: {named}; at most {stage.epochs} epochs")
        for line in describe_training(classifier, find(config.model.backbone), rates, rate):
            say(f"  {line}")


def _cached_below(split: BoundarySplit | None, run: Run, config: Config) -> tuple[Run, CachedBackbone | None]:
    """Compute the activations at the freeze boundary, where there is one, and room for them.

    Returns:
        The run, with its images as they are now, and the part below; None to train on whole images.
    """
    names = dict.fromkeys(("train", "val", run.dataset.reported_split))
    examples = [example for name in names for example in run.examples(name)]
    cached = cached_below(split, config, run.info.geometry) if split else None
    if split is None or cached is None:
        say("whole images go through the whole network in every epoch")
        return run, None
    if not cached.reserve(examples, views_of=run.dataset.split("train")):
        return run, None
    say(f"nothing up to {split.layer} trains: that part is computed once per image")
    run = replace(run, dataset=run.dataset.with_hashes(cached.refresh(examples)))
    cached.compute_views(run.dataset.split("train"))
    cached.extractor.release()
    cached.remember_user(run.destination)
    return run, cached


def _require_no_source(path: Path) -> None:
    """Refuse to change the model of a run whose weights are stated in `source.json`.

    Raises:
        RunError: `path` was made by `pretrain`.
    """
    if (path / SOURCE_FILE).is_file():
        raise RunError(
            f"{path} is a source model, all of which has been trained already.\n"
            f"Transfer from it: tlk fit photos/ --weights {path}"
        )


def _require_same(made_with: Config, wanted: Config) -> None:
    """Refuse to change what `fit` has decided for good.

    Raises:
        ConfigError: `wanted` would.
    """
    fixed = ("data", "model", "head", "train", "transfer")
    changed = [name for name in fixed if getattr(made_with, name) != getattr(wanted, name)]
    if changed:
        raise ConfigError(
            f"{', '.join(changed)} cannot be changed after `tlk fit`; "
            "here finetune, augment, features and runtime can be set. For other settings train a new run."
        )
