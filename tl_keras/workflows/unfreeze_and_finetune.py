"""`unfreeze-and-finetune`: the second phase, which has to earn its place on val."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras

from tl_keras.config import Config
from tl_keras.console import say
from tl_keras.evaluation.measure import measure
from tl_keras.evaluation.metrics import Evaluation
from tl_keras.evaluation.report import Report
from tl_keras.exporting.keras_file import save_classifier
from tl_keras.files import write_text, written_aside
from tl_keras.models import backbones
from tl_keras.models.freezing import unfreeze
from tl_keras.run import locked, open_run
from tl_keras.training.device import plan_devices
from tl_keras.training.phase import PhaseResult, train_phase
from tl_keras.workflows.stored import StoredRun, open_stored


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

    The model of the run is replaced only when val says that it became better; everything of the phase
    is kept in `phases/N-finetune` either way.

    Args:
        run: A finished run's folder.
        config: All settings, of which `finetune`, `augment` and `runtime` are used; None for the run's own.

    Raises:
        TlkError: The run, its images or the settings are not as needed; the run stays as it was.
    """
    with locked(open_run(Path(run)).folder):
        return _finetune(run, config)


def _finetune(folder: str | Path, wanted: Config | None) -> FinetuneResult:
    config = wanted or open_run(Path(folder)).config()
    keras.utils.set_random_seed(config.runtime.seed)
    device = plan_devices(config.runtime)
    with device.strategy.scope():
        stored, classifier = open_stored(folder)
        opened = unfreeze(
            classifier,
            backbones.find(stored.config.model.backbone),
            config.finetune.unfreeze,
            config.finetune.train_batchnorm_affine,
        )
    say(f"{stored.config.model.backbone} on {device.description}")
    say(f"unfrozen {config.finetune.unfreeze}: {opened.describe()}")
    train, val = stored.loader("train"), stored.loader("val")
    split = stored.prepared.reported_split
    reported = val if split == "val" else stored.loader(split)
    before = stored.report(classifier, reported, split, phase=stored.run.current_phase())[0]
    val_before = measure(classifier, val, stored.info.task, "evaluating on val")[0]
    name = f"{len(stored.run.phases()) + 1}-finetune"
    with written_aside(stored.run.phases_dir / name) as phase_folder:
        phase = train_phase(classifier, train, val, config, config.finetune, device, phase_folder)
        val_after = measure(classifier, val, stored.info.task, "evaluating on val")[0]
        after, outputs = stored.report(classifier, reported, split, phase=name)
        kept = _better(val_after, val_before)
        result = FinetuneResult(stored.run.folder, kept, val_before, val_after, before, after, phase)
        write_text(phase_folder / "config.yaml", config.to_yaml())
        write_text(phase_folder / "decision.json", _decision(result))
    if kept:
        _replace_model(stored, classifier, config, after, stored.predictions_csv(reported, outputs))
    return result


def _better(after: Evaluation, before: Evaluation) -> bool:
    """Whether val says so: more images right, or as many with a lower loss."""
    return (after.accuracy, -after.loss) > (before.accuracy, -before.loss)


def _decision(result: FinetuneResult) -> str:
    both = {name: asdict(getattr(result, name)) for name in ("val_before", "val_after")}
    return json.dumps({"kept": result.kept, **both}, ensure_ascii=False, indent=2) + "\n"


def _replace_model(
    stored: StoredRun, classifier: Any, config: Config, report: Report, predictions: str
) -> None:
    run = stored.run
    sections = {name: getattr(config, name) for name in ("finetune", "augment", "runtime")}
    # The model last: should the writing stop in between, the old model is still there to be measured anew.
    write_text(run.config_file, stored.config.model_copy(update=sections).to_yaml())
    write_text(run.predictions_file, predictions)
    write_text(run.metrics_file, report.to_json())
    save_classifier(classifier, stored.info, run.model_file)
