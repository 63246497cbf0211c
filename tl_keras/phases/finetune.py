"""Phase 2: train, measure, decide by val, install."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tl_keras.config.loading import load_config
from tl_keras.config.schema import Config
from tl_keras.core.console import say
from tl_keras.core.files import atomic_write, write_text
from tl_keras.core.types import Floats
from tl_keras.data.loaders import Loader
from tl_keras.distributed.collectives import any_of_workers, broadcast, is_chief
from tl_keras.distributed.devices import DevicePlan
from tl_keras.evaluation.evaluation import Evaluation
from tl_keras.evaluation.record import EvaluationRecord
from tl_keras.models.saved.keras_file import save_classifier
from tl_keras.phases.adaptation import adapt
from tl_keras.phases.finetune_plan import load_for_finetuning, plan_finetuning
from tl_keras.runs.folder import RunFolder, find_run
from tl_keras.runs.resumable import (
    REQUESTED,
    UNFINISHED,
    UNUSED_IN_PHASES,
    differences,
    resumable_phase,
)
from tl_keras.runs.run import Run
from tl_keras.training.spec import PhaseResult
from tl_keras.training.trainer import train_phase

DECISION_FILE, SUMMARY_FILE = "decision.json", "summary.json"


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
    before: EvaluationRecord
    after: EvaluationRecord
    phase: PhaseResult

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "run": str(self.run),
            "kept": self.kept,
            "training": asdict(self.phase),
            "val_before": self.val_before.to_dict(),
            "val_after": self.val_after.to_dict(),
            "before": self.before.to_dict(),
            "after": self.after.to_dict(),
        }


def finetune(folder: Path, config: Config, device: DevicePlan, *, overwrite: bool) -> FinetuneResult:
    run = find_run(folder)
    decided = run.folder / UNFINISHED / run.next_phase("finetune")
    if any_of_workers((decided / DECISION_FILE).is_file()):
        # Killed when all was done but the end. That is finished first, whatever comes then.
        _take_from_chief(*(decided / file for file in (DECISION_FILE, SUMMARY_FILE, REQUESTED)))
        asked_for_this = not differences(decided, config, UNUSED_IN_PHASES)
        result = _phase(run, load_config(decided / REQUESTED), device, overwrite=False)
        if asked_for_this:
            return result
    return _phase(run, config, device, overwrite=overwrite)


def _phase(run: RunFolder, config: Config, device: DevicePlan, *, overwrite: bool) -> FinetuneResult:
    """Train the next phase of a run, or go on with it, and make its model the run's if it is better."""
    name = run.next_phase("finetune")
    with resumable_phase(run, name, config, overwrite=overwrite) as phase_folder:
        if not (phase_folder / DECISION_FILE).is_file():
            stored, classifier = load_for_finetuning(run.folder, config, device)
            write_text(phase_folder / "config.yaml", config.to_yaml())
            say(f"{config.model.backbone} on {device.description}")
            say(device.describe_phase(config.finetune))
            _train(stored, classifier, config, device, phase_folder)
        result = _read_result(run.folder, phase_folder)
        if result.kept and is_chief():
            _install(run, config, phase_folder)
    result.phase.require_success(run.phases_dir / name)
    return result


def _take_from_chief(*files: Path) -> None:
    """Give all workers the chief's files."""
    mine = [np.frombuffer(file.read_bytes() if file.is_file() else b"", np.uint8) for file in files]
    for file, content in zip(files, broadcast(mine), strict=True):
        write_text(file, content.tobytes().decode())


def _train(stored: Run, classifier: Any, config: Config, device: DevicePlan, phase_folder: Path) -> None:
    """Train, measure and decide; everything of that goes into `phase_folder`, the decision last."""
    adapts = config.finetune.batchnorm == "adapt"
    measured = _measured_and_adapted(stored, classifier) if adapts else None
    found = plan_finetuning(stored, classifier, config, device, used_by=stored.run.folder)
    stored, split, name = found.stored, stored.prepared.reported_split, phase_folder.name
    with found.seen("train") as train, found.seen("val") as val, found.seen(split) as reported:
        before = measured or _measure(stored, found.model, val, reported, stored.info.phase)
        if adapts:
            adapted = stored.report(found.model, val, "val", phase=name)[0].evaluation.accuracy
            say(f"with the statistics of the training images: val accuracy {adapted:.4f}")
        phase = train_phase(found.spec(train, val), phase_folder)
        save_classifier(classifier, replace(stored.info, phase=name), phase_folder / "model.keras")
        after = _measure(stored, found.model, val, reported, name)
        stored.write_report(phase_folder, after.report, reported, after.outputs)
    result = FinetuneResult(
        stored.run.folder,
        _better(after.val, before.val),
        before.val,
        after.val,
        before.report,
        after.report,
        phase,
    )
    write_text(phase_folder / DECISION_FILE, _decision(result))


@dataclass(frozen=True, slots=True)
class _Measured:
    """A model on val, and on the reported split, which may be val too."""

    val: Evaluation
    report: EvaluationRecord
    outputs: Floats


def _measured_and_adapted(stored: Run, classifier: Any) -> _Measured:
    """Measure a classifier as it is, and take the statistics of its BatchNorm anew."""
    with stored.loader("val") as val, stored.loader(stored.prepared.reported_split) as reported:
        measured = _measure(stored, classifier, val, reported, stored.info.phase)
    say(f"BatchNorm as it is: val accuracy {measured.val.accuracy:.4f}")
    changed = adapt(stored, classifier)
    say(f"took the statistics of {changed} BatchNorm layers anew")
    return measured


def _measure(stored: Run, model: Any, val: Loader, reported: Loader, phase: str) -> _Measured:
    on_val, outputs = stored.report(model, val, "val", phase=phase)
    if stored.prepared.reported_split == "val":
        return _Measured(on_val.evaluation, on_val, outputs)
    return _Measured(on_val.evaluation, *stored.report(model, reported, "test", phase=phase))


def _better(after: Evaluation, before: Evaluation) -> bool:
    """Whether val says so: more images right, or as many with a lower loss."""
    return (after.accuracy, -after.loss) > (before.accuracy, -before.loss)


def _decision(result: FinetuneResult) -> str:
    parts = {name: getattr(result, name).to_dict() for name in ("val_before", "val_after", "before", "after")}
    return json.dumps({"kept": result.kept, **parts}, ensure_ascii=False, indent=2) + "\n"


def _read_result(run: Path, phase_folder: Path) -> FinetuneResult:
    decision = json.loads((phase_folder / DECISION_FILE).read_text(encoding="utf-8"))
    summary = json.loads((phase_folder / SUMMARY_FILE).read_text(encoding="utf-8"))
    return FinetuneResult(
        run=run,
        kept=decision["kept"],
        val_before=Evaluation.from_dict(decision["val_before"]),
        val_after=Evaluation.from_dict(decision["val_after"]),
        before=EvaluationRecord.from_dict(decision["before"]),
        after=EvaluationRecord.from_dict(decision["after"]),
        phase=PhaseResult(**summary),
    )


def _install(run: RunFolder, config: Config, phase_folder: Path) -> None:
    """Make a phase's model that of the run; done twice it is the same.

    The model comes first, since it carries the phase's name: metrics can be measured anew.
    """
    for destination in (run.model_file, run.metrics_file, run.predictions_file):
        with atomic_write(destination) as aside:
            shutil.copyfile(phase_folder / destination.name, aside)
    kept = run.config().model_copy(update={"finetune": config.finetune})
    write_text(run.config_file, kept.to_yaml())
