"""`unfreeze-and-finetune`: the second phase, which has to earn its place on val."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras

from tl_keras.config import Config
from tl_keras.console import say
from tl_keras.data.pipelines import Labelled
from tl_keras.errors import ConfigError, RunError
from tl_keras.evaluation.metrics import Floats
from tl_keras.evaluation.report import Report
from tl_keras.evaluation.result import Evaluation
from tl_keras.exporting.keras_file import save_classifier
from tl_keras.features.frozen import FrozenPart
from tl_keras.files import write_text, written_aside
from tl_keras.models import backbones
from tl_keras.models.boundary import Cut, cut_at_boundary
from tl_keras.models.freezing import unfreeze
from tl_keras.models.source import SOURCE_FILE
from tl_keras.run import open_run
from tl_keras.training.device import DevicePlan, plan_devices
from tl_keras.training.multi_worker import any_worker
from tl_keras.training.phase import PhaseResult, require_known_classes, train_phase
from tl_keras.workflows.frozen import frozen_below, has_room
from tl_keras.workflows.stored import StoredRun, open_stored
from tl_keras.workflows.workers import own_run


@dataclass(frozen=True, slots=True)
class FinetuneResult:
    """What the second phase did.

    Attributes:
        run: The run's folder.
        kept: Whether the fine-tuned model was better on val and is now the run's model.
        val_before: The model on val before the phase.
        val_after: The fine-tuned model on val.
        before: The report before the phase, of the reported split.
        after: The report of the fine-tuned model, of the same split, kept or not.
        phase: How the training went.
    """

    run: Path
    kept: bool
    val_before: Evaluation
    val_after: Evaluation
    before: Report
    after: Report
    phase: PhaseResult


def unfreeze_and_finetune(run: str | Path, config: Config | None = None) -> FinetuneResult:
    """Unfreeze part of a run's backbone and train on at a low rate, BatchNorm in inference mode.

    What the part that stays frozen makes of each image (and of its views) is computed once, and only the
    upper part is trained on that. Without augmentation this is the same training, to rounding, as with whole
    images. MixUp and CutMix, `features: off` or a full disk make it whole images in every epoch.

    The model of the run is replaced only when val says that it became better; everything of the phase
    is kept in `phases/N-finetune` either way.

    Args:
        run: A finished run's folder.
        config: All settings; finetune, augment and runtime may differ from the run's. None for the run's own.
            The precision stays that of the run.

    Raises:
        TlkError: The run, its images or the settings are not as needed; the run stays as it was.
    """
    config = config or open_run(Path(run)).config()
    keras.utils.set_random_seed(config.runtime.seed)
    device = plan_devices(config.runtime)
    with own_run(Path(run)) as folder:
        return _finetune(folder, config, device)


def _finetune(folder: Path, config: Config, device: DevicePlan) -> FinetuneResult:
    _require_no_source(folder)
    with device.strategy.scope():
        stored, classifier = open_stored(folder)
        _require_same(stored.config, config)
        require_known_classes(config, stored.info.labels)
        opened = unfreeze(
            classifier,
            backbones.find(config.model.backbone),
            config.finetune.unfreeze,
            config.finetune.batchnorm == "affine",
        )
        cut = cut_at_boundary(classifier) if config.stores_features else None
    say(f"{config.model.backbone} on {device.description}")
    say(device.describe_phase(config.finetune))
    say(f"unfrozen {config.finetune.unfreeze}: {opened.describe()}")
    stored, frozen = _below(cut, stored, config)
    model = classifier if frozen is None or cut is None else cut.upper
    split = stored.prepared.reported_split
    with (
        stored.seen("train", frozen) as train,
        stored.seen("val", frozen) as val,
        stored.seen(split, frozen) as reported,
    ):
        val_before, before = _measure(stored, model, val, reported, stored.info.phase)
        name = stored.run.next_phase("finetune")
        with written_aside(stored.run.phases_dir / name) as phase_folder:
            phase = train_phase(model, train, val, config, config.finetune, device, phase_folder)
            info = replace(stored.info, phase=name)
            save_classifier(classifier, info, phase_folder / "model.keras")
            val_after, after = _measure(stored, model, val, reported, name)
            kept = _better(val_after, val_before)
            result = FinetuneResult(
                stored.run.folder, kept, val_before, val_after, before[0], after[0], phase
            )
            write_text(phase_folder / "config.yaml", config.to_yaml())
            write_text(phase_folder / "decision.json", _decision(result))
        if kept:
            # The model first, since it carries the phase's name: metrics can be measured anew.
            save_classifier(classifier, info, stored.run.model_file)
            stored.write_report(stored.run.folder, after[0], reported, after[1])
            kept_config = stored.config.model_copy(update={"finetune": config.finetune})
            write_text(stored.run.config_file, kept_config.to_yaml())
    return result


def _below(cut: Cut | None, stored: StoredRun, config: Config) -> tuple[StoredRun, FrozenPart | None]:
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
    if any_worker(not has_room(frozen, frozen.missing(examples) + views)):
        return stored, None
    say(f"nothing up to {cut.layer} trains: that part is computed once per image")
    stored = stored.with_images(frozen.recheck(examples))
    frozen.make_views(stored.prepared.split("train"), config.augment, config.runtime.seed)
    frozen.extractor.release()
    frozen.note_use(stored.run.folder)
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
    fixed = ("data", "model", "head", "train")
    changed = [name for name in fixed if getattr(made_with, name) != getattr(wanted, name)]
    if changed:
        raise ConfigError(
            f"{', '.join(changed)} cannot be changed after `tlk fit`; "
            "here finetune, augment, features and runtime can be set. For other settings train a new run."
        )


def _measure(
    stored: StoredRun, model: Any, val: Labelled, reported: Labelled, phase: str
) -> tuple[Evaluation, tuple[Report, Floats]]:
    """Return the evaluation on val, and the report on the reported split, which may be val too."""
    on_val = stored.report(model, val, "val", phase=phase)
    if stored.prepared.reported_split == "val":
        return on_val[0].evaluation, on_val
    return on_val[0].evaluation, stored.report(model, reported, "test", phase=phase)


def _better(after: Evaluation, before: Evaluation) -> bool:
    """Whether val says so: more images right, or as many with a lower loss."""
    return (after.accuracy, -after.loss) > (before.accuracy, -before.loss)


def _decision(result: FinetuneResult) -> str:
    both = {name: getattr(result, name).to_dict() for name in ("val_before", "val_after")}
    return json.dumps({"kept": result.kept, **both}, ensure_ascii=False, indent=2) + "\n"
