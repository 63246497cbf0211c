"""Phase 2: train, measure, decide by val, install."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tl_keras.config.schema import Config
from tl_keras.core.console import say
from tl_keras.core.files import write_text
from tl_keras.core.types import Floats
from tl_keras.data.loaders import Loader
from tl_keras.distributed.devices import DevicePlan
from tl_keras.evaluation.evaluation import Evaluation
from tl_keras.evaluation.record import EvaluationRecord
from tl_keras.models.saved.keras_file import save_classifier
from tl_keras.phases.adaptation import adapt_batchnorm_to
from tl_keras.phases.finetune_plan import load_for_finetuning, plan_finetuning
from tl_keras.runs.folder import DECISION_FILE, SUMMARY_FILE, RunFolder
from tl_keras.runs.measure import measure_model, write_evaluation
from tl_keras.runs.resumable import decided_phase, requests_the_same, resumable_phase
from tl_keras.runs.run import Run
from tl_keras.runs.unfinished import requested
from tl_keras.runs.write import install_phase
from tl_keras.training.spec import PhaseResult
from tl_keras.training.trainer import train


@dataclass(frozen=True, slots=True)
class FinetuneResult:
    """What the second phase did.

    Attributes:
        run: The run's folder.
        kept: Whether the fine-tuned model was better on val and is now the run's model.
        val_before: The model on val before the phase.
        val_after: The fine-tuned model on val.
        before: The figures before the phase, of the reported split.
        after: The figures of the fine-tuned model, of the same split, kept or not.
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


def finetune(run: RunFolder, config: Config, device: DevicePlan, *, overwrite: bool) -> FinetuneResult:
    """Train the next phase of a finished run; one that is trained and decided already is finished first."""
    decided = decided_phase(run)
    if decided:
        same = requests_the_same(decided, config)
        result = _next_phase(run, requested(decided), device, overwrite=False)
        if same:
            return result
    return _next_phase(run, config, device, overwrite=overwrite)


def _next_phase(run: RunFolder, config: Config, device: DevicePlan, *, overwrite: bool) -> FinetuneResult:
    """Train the next phase of a run, or resume it, and make its model the run's if it is better."""
    name = run.next_phase("finetune")
    with resumable_phase(run, name, config, overwrite=overwrite) as folder:
        if not (folder / DECISION_FILE).is_file():
            _train(*load_for_finetuning(run.path, config, device), config, device, folder)
        result = _read_result(run.path, folder)
        if result.kept:
            install_phase(run, folder, config)
    result.phase.require_success(run.phases_dir / name)
    return result


def _train(run: Run, classifier: Any, config: Config, device: DevicePlan, folder: Path) -> None:
    """Train, measure and decide; everything of that goes into `folder`, the decision last."""
    write_text(folder / "config.yaml", config.to_yaml())
    say(f"{config.model.backbone} on {device.description}")
    say(device.describe_phase(config.finetune))
    adapts = config.finetune.batchnorm == "adapt"
    measured = _measured_and_adapted(run, classifier) if adapts else None
    plan = plan_finetuning(run, classifier, config, device)
    run, split, name = plan.run, plan.run.dataset.reported_split, folder.name
    with plan.loader("train") as images, plan.loader("val") as val, plan.loader(split) as reported:
        before = measured or _measure(run, plan.model, val, reported, run.info.phase)
        if adapts:
            adapted = measure_model(run, plan.model, val, "val", phase=name)[0].evaluation.accuracy
            say(f"with the statistics of the training images: val accuracy {adapted:.4f}")
        phase = train(plan.spec(images, val), folder)
        save_classifier(classifier, replace(run.info, phase=name), folder / "model.keras")
        after = _measure(run, plan.model, val, reported, name)
        write_evaluation(run, folder, after.record, reported, after.outputs)
    kept = _better(after.val, before.val)
    result = FinetuneResult(run.folder.path, kept, before.val, after.val, before.record, after.record, phase)
    write_text(folder / DECISION_FILE, _decision(result))


@dataclass(frozen=True, slots=True)
class _Measured:
    """A model on val, and on the reported split, which may be val too."""

    val: Evaluation
    record: EvaluationRecord
    outputs: Floats


def _measured_and_adapted(run: Run, classifier: Any) -> _Measured:
    """Measure a classifier as it is, and take the statistics of its BatchNorm from the training images."""
    with run.loader("val") as val, run.loader(run.dataset.reported_split) as reported:
        measured = _measure(run, classifier, val, reported, run.info.phase)
    say(f"BatchNorm as it is: val accuracy {measured.val.accuracy:.4f}")
    changed = adapt_batchnorm_to(run, classifier)
    say(f"adapted the statistics of {changed} BatchNorm layers")
    return measured


def _measure(run: Run, model: Any, val: Loader, reported: Loader, phase: str) -> _Measured:
    on_val, outputs = measure_model(run, model, val, "val", phase=phase)
    if run.dataset.reported_split == "val":
        return _Measured(on_val.evaluation, on_val, outputs)
    return _Measured(on_val.evaluation, *measure_model(run, model, reported, "test", phase=phase))


def _better(after: Evaluation, before: Evaluation) -> bool:
    """Whether val says so: more images right, or as many with a lower loss."""
    return (after.accuracy, -after.loss) > (before.accuracy, -before.loss)


def _decision(result: FinetuneResult) -> str:
    parts = {name: getattr(result, name).to_dict() for name in ("val_before", "val_after", "before", "after")}
    return json.dumps({"kept": result.kept, **parts}, ensure_ascii=False, indent=2) + "\n"


def _read_result(run: Path, folder: Path) -> FinetuneResult:
    decision = json.loads((folder / DECISION_FILE).read_text(encoding="utf-8"))
    summary = json.loads((folder / SUMMARY_FILE).read_text(encoding="utf-8"))
    return FinetuneResult(
        run=run,
        kept=decision["kept"],
        val_before=Evaluation.from_dict(decision["val_before"]),
        val_after=Evaluation.from_dict(decision["val_after"]),
        before=EvaluationRecord.from_dict(decision["before"]),
        after=EvaluationRecord.from_dict(decision["after"]),
        phase=PhaseResult(**summary),
    )
