"""`pretrain`: a source model of one's own, trained from scratch, for `fit --weights` to start from."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tl_keras.config.schema import Config, pretraining_defaults
from tl_keras.evaluation.record import EvaluationRecord
from tl_keras.models.source_model import WEIGHTS_FILE
from tl_keras.phases.pretrain import train_source
from tl_keras.runs.folder import DEFAULT_RUNS_DIR
from tl_keras.runs.new_run import new_run
from tl_keras.runs.pretrained_run import write_source
from tl_keras.runs.resolve_settings import resolve_pretraining
from tl_keras.training.spec import PhaseResult


@dataclass(frozen=True, slots=True)
class PretrainResult:
    """What `pretrain` made.

    Attributes:
        run: The run's folder, which `fit --weights` takes.
        weights: The file of the backbone's weights in it.
        report: How good the source model is at its own classes.
        phase: How the training went.
    """

    run: Path
    weights: Path
    report: EvaluationRecord
    phase: PhaseResult

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "run": str(self.run),
            "weights": str(self.weights),
            "training": asdict(self.phase),
            **self.report.to_dict(),
        }


def pretrain(
    data: str | Path | None = None,
    config: Config | None = None,
    *,
    name: str | None = None,
    runs_dir: str | Path = DEFAULT_RUNS_DIR,
    overwrite: bool = False,
) -> PretrainResult:
    """Train a backbone and a head from random weights, and keep the backbone as a source model.

    An interrupted run stays in `runs_dir/.unfinished`; the same call resumes from its last checkpoint.

    Args:
        data: Where the images are; instead of `config.data.source`.
        config: All settings; None for `pretraining_defaults()`.
        name: The run's name; None for one made of the data's and the backbone's.
        runs_dir: The folder that the run is put into.
        overwrite: Replace a run of the same name.

    Raises:
        TlkError: Settings, images or the run's folder are not as needed.
        KeyboardInterrupt: Ctrl-C, after a checkpoint.
    """
    config = resolve_pretraining(config or pretraining_defaults(), data)
    with new_run(config, "pretrain", name, runs_dir, overwrite=overwrite) as run:
        trained = train_source(run)
        report = trained.finish()
        write_source(trained.run, trained.classifier, report)
    trained.result.require_success(run.destination)
    return PretrainResult(run.destination, run.destination / WEIGHTS_FILE, report, trained.result)
