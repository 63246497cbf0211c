"""A classifier made ready for fine-tuning: what of it trains when, at which rate, and on what."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tl_keras.config.schema import Config
from tl_keras.core.console import say
from tl_keras.data.class_weights import require_known_classes
from tl_keras.data.loaders import Labelled
from tl_keras.errors import ConfigError, RunError
from tl_keras.features.cached_backbone import FrozenPart, frozen_below, has_room
from tl_keras.models.backbones import find
from tl_keras.models.classifier import backbone_of
from tl_keras.models.freeze_boundary import Cut, cut_at_boundary
from tl_keras.models.layer_rates import describe_training, layer_rates
from tl_keras.models.source_model import SOURCE_FILE
from tl_keras.models.unfreezing import choose, train_only
from tl_keras.runs.run import StoredRun, open_stored
from tl_keras.training.distributed.collectives import any_worker, is_chief
from tl_keras.training.distributed.devices import DevicePlan
from tl_keras.training.optimizers.factory import effective_rate
from tl_keras.training.spec import Lesson, Stage


@dataclass(frozen=True, slots=True)
class Opened:
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

    stored: StoredRun
    config: Config
    device: DevicePlan
    model: Any
    frozen: FrozenPart | None
    stages: tuple[Stage, ...]
    layer_rates: dict[str, float]
    held_back: frozenset[str]

    def seen(self, split: str) -> Labelled:
        """Return a split as `model` gets to see it."""
        return self.stored.seen(split, self.frozen)

    def lesson(self, train: Labelled, val: Labelled) -> Lesson:
        """Return what to train on what."""
        return Lesson(
            self.model,
            train,
            val,
            self.config,
            self.config.finetune,
            self.device,
            stages=self.stages,
            layer_rates=self.layer_rates,
            l2_sp=self.config.finetune.l2_sp,
            held_back=self.held_back,
        )


def open_for_finetuning(folder: Path, config: Config, device: DevicePlan) -> tuple[StoredRun, Any]:
    """Return a finished run and its classifier, if they can be fine-tuned by `config`.

    Raises:
        RunError: There is no finished run in `folder`, it is damaged, or a source model.
        ConfigError: The settings would change what `fit` has decided for good, or name unknown classes.
    """
    _require_no_source(folder)
    with device.strategy.scope():
        stored, classifier = open_stored(folder)
    _require_same(stored.config, config)
    require_known_classes(config, stored.info.labels)
    return stored, classifier


def opened(
    stored: StoredRun, classifier: Any, config: Config, device: DevicePlan, *, used_by: Path
) -> Opened:
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
        choose(classifier, backbone, stage.unfreeze, affine=phase.batchnorm == "affine")
        for stage in phase.all_stages
    ]
    rate = effective_rate(phase, phase.images_per_step * phase.accumulate)
    rates = layer_rates(
        classifier,
        backbone,
        learning_rate=phase.learning_rate,
        decay=phase.layer_lr_decay,
        table=phase.layer_lr,
    )
    for stage, part in zip(phase.all_stages, parts, strict=True):
        train_only(classifier, part)
        say(f"unfrozen: {_told(stage.unfreeze)}; at most {stage.epochs} epochs")
        for line in describe_training(classifier, backbone, rates, rate):
            say(f"  {line}")
    # All stages are trained above one boundary: the lowest, below all that trains in any of them.
    train_only(classifier, frozenset().union(*parts))
    with device.strategy.scope():
        cut = cut_at_boundary(classifier) if config.stores_features else None
    stored, frozen = _below(cut, stored, config, used_by)
    return Opened(
        stored=stored,
        config=config,
        device=device,
        model=classifier if frozen is None or cut is None else cut.upper,
        frozen=frozen,
        stages=tuple(
            Stage(stage.epochs, partial(train_only, classifier, part))
            for stage, part in zip(phase.all_stages, parts, strict=True)
        ),
        layer_rates=dict(rates.factors),
        held_back=frozenset(variable.path for variable in backbone_of(classifier).variables),
    )


def _told(unfreeze: str | tuple[str, ...]) -> str:
    return unfreeze if isinstance(unfreeze, str) else ", ".join(unfreeze)


def _below(
    cut: Cut | None, stored: StoredRun, config: Config, used_by: Path
) -> tuple[StoredRun, FrozenPart | None]:
    """Store what the frozen lower part makes of the run's images, where there is one, and room for that.

    Returns:
        The run, with its images as they are now, and the lower part, None to train on whole images.
    """
    names = dict.fromkeys(("train", "val", stored.prepared.reported_split))
    examples = [example for name in names for example in stored.images(name)]
    frozen = frozen_below(cut, config, stored.info.geometry) if cut else None
    views = config.augment.stored_views * len(stored.prepared.split("train"))
    if cut is None or frozen is None:
        say("whole images go through the whole network in every epoch")
        return stored, None
    # Where one worker has no room, none of them stores: all need to train the same part.
    if any_worker(not has_room(frozen, frozen.missing(examples) + views)):
        return stored, None
    say(f"nothing up to {cut.layer} trains: that part is computed once per image")
    stored = stored.with_images(frozen.recheck(examples))
    frozen.make_views(stored.prepared.split("train"), config.augment, config.runtime.seed)
    frozen.extractor.release()
    if is_chief():
        frozen.note_use(used_by)
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
