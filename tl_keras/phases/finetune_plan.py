"""A classifier made ready for fine-tuning: what of it trains when, at which rate, and on what."""

from __future__ import annotations

from dataclasses import dataclass
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
from tl_keras.models.layer_rates import describe_training, layer_rates
from tl_keras.models.source_model import SOURCE_FILE
from tl_keras.models.unfreezing import resolve_unfreeze, set_trainable
from tl_keras.runs.run import Run, open_run
from tl_keras.training.spec import Stage, TrainSpec


@dataclass(frozen=True, slots=True)
class FinetunePlan:
    """A classifier of which some layers are going to train.

    Attributes:
        stored: Its run, with its images as they are now.
        config: The settings it is trained by.
        device: What it is trained on.
        model: The part that trains: all of it, or what lies above the freeze boundary.
        frozen: The part below that boundary; None where whole images are trained on.
        stages: What trains for how long.
        layer_rates: Path of a variable -> by how much its learning rate is multiplied.
        held_back: Paths of the variables that `finetune.l2_sp` is about: the backbone's.
    """

    stored: Run
    config: Config
    device: DevicePlan
    model: Any
    frozen: CachedBackbone | None
    stages: tuple[Stage, ...]
    layer_rates: dict[str, float]
    anchored: frozenset[str]

    def seen(self, split: str) -> Loader:
        """Return a split as `model` gets to see it."""
        return self.stored.seen(split, self.frozen)

    def spec(self, train: Loader, val: Loader) -> TrainSpec:
        """Return what to train on what."""
        return TrainSpec(
            self.model,
            train,
            val,
            self.config,
            self.config.finetune,
            self.device,
            stages=self.stages,
            layer_rates=self.layer_rates,
            l2_sp=self.config.finetune.l2_sp,
            anchored=self.anchored,
        )


def load_for_finetuning(folder: Path, config: Config, device: DevicePlan) -> tuple[Run, Any]:
    """Return a finished run and its classifier, if they can be fine-tuned by `config`.

    Raises:
        RunError: There is no finished run in `folder`, it is damaged, or a source model.
        ConfigError: The settings would change what `fit` has decided for good, or name unknown classes.
    """
    _require_no_source(folder)
    with device.strategy.scope():
        stored, classifier = open_run(folder)
    _require_same(stored.config, config)
    require_known_classes(config, stored.info.labels)
    return stored, classifier


def plan_finetuning(
    stored: Run, classifier: Any, config: Config, device: DevicePlan, *, used_by: Path
) -> FinetunePlan:
    """Unfreeze what `config.finetune` says, say so, and store what the part below makes of the images.

    Args:
        stored: The run, its images and their splits.
        classifier: Its classifier; what of it trains is changed.
        config: All settings.
        device: What to train on.
        used_by: The folder of the run that the stored features are for.

    Raises:
        ConfigError: The settings name no part of this network.
    """
    backbone, phase = find(config.model.backbone), config.finetune
    parts = [
        resolve_unfreeze(classifier, backbone, stage.unfreeze, affine=phase.batchnorm == "affine")
        for stage in phase.all_stages
    ]
    rate = phase.effective_rate(phase.images_per_step * phase.accumulate)
    rates = layer_rates(
        classifier,
        backbone,
        learning_rate=phase.learning_rate,
        decay=phase.layer_lr_decay,
        table=phase.layer_lr,
    )
    for stage, part in zip(phase.all_stages, parts, strict=True):
        set_trainable(classifier, part)
        say(f"unfrozen: {_told(stage.unfreeze)}; at most {stage.epochs} epochs")
        for line in describe_training(classifier, backbone, rates, rate):
            say(f"  {line}")
    # All stages are trained above one boundary: the lowest, below all that trains in any of them.
    set_trainable(classifier, frozenset().union(*parts))
    with device.strategy.scope():
        cut = split_at_freeze_boundary(classifier) if config.stores_features else None
    stored, frozen = _below(cut, stored, config, used_by)
    return FinetunePlan(
        stored=stored,
        config=config,
        device=device,
        model=classifier if frozen is None or cut is None else cut.trainable,
        frozen=frozen,
        stages=tuple(
            Stage(stage.epochs, partial(set_trainable, classifier, part))
            for stage, part in zip(phase.all_stages, parts, strict=True)
        ),
        layer_rates=dict(rates.factors),
        anchored=frozenset(variable.path for variable in backbone_of(classifier).variables),
    )


def _told(unfreeze: str | tuple[str, ...]) -> str:
    return unfreeze if isinstance(unfreeze, str) else ", ".join(unfreeze)


def _below(
    cut: BoundarySplit | None, stored: Run, config: Config, used_by: Path
) -> tuple[Run, CachedBackbone | None]:
    """Store what the frozen lower part makes of the run's images, where there is one, and room for that.

    Returns:
        The run, with its images as they are now, and the lower part, None to train on whole images.
    """
    names = dict.fromkeys(("train", "val", stored.prepared.reported_split))
    examples = [example for name in names for example in stored.images(name)]
    frozen = cached_below(cut, config, stored.info.geometry) if cut else None
    train = stored.prepared.split("train")
    if cut is None or frozen is None:
        say("whole images go through the whole network in every epoch")
        return stored, None
    if not frozen.reserve(examples, views_of=train):
        return stored, None
    say(f"nothing up to {cut.layer} trains: that part is computed once per image")
    stored = stored.with_images(frozen.refresh(examples))
    frozen.compute_views(stored.prepared.split("train"))
    frozen.extractor.release()
    frozen.remember_user(used_by)
    return stored, frozen


def _require_no_source(folder: Path) -> None:
    """Refuse to change the model of a run whose weights are stated in `source.json`.

    Raises:
        RunError: `folder` was made by `pretrain`.
    """
    if (folder / SOURCE_FILE).is_file():
        raise RunError(
            f"{folder} is a source model, all of which has been trained already.\n"
            f"Transfer from it: tlk fit photos/ --weights {folder}"
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
