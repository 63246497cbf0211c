"""`fit`: a folder of labeled images becomes a tested classifier."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tl_keras.config.schema import Config
from tl_keras.evaluation.record import EvaluationRecord
from tl_keras.phases.full import train_full, train_scratch
from tl_keras.phases.head import train_frozen
from tl_keras.runs.folder import DEFAULT_RUNS_DIR
from tl_keras.runs.new_run import new_run
from tl_keras.runs.resolve_settings import resolve
from tl_keras.training.spec import PhaseResult

FIRST_PHASE = {"frozen": train_frozen, "full": train_full, "scratch": train_scratch}
"""What trains, by `transfer`."""


@dataclass(frozen=True, slots=True)
class FitResult:
    """What `fit` made.

    Attributes:
        run: The run's folder.
        report: How good the classifier is.
        phase: How the training went.
    """

    run: Path
    report: EvaluationRecord
    phase: PhaseResult

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"run": str(self.run), "training": asdict(self.phase), **self.report.to_dict()}


def fit(
    data: str | Path | None = None,
    config: Config | None = None,
    *,
    name: str | None = None,
    runs_dir: str | Path = DEFAULT_RUNS_DIR,
    overwrite: bool = False,
) -> FitResult:
    """Train a classifier, keep the best epoch, measure it on test.

    With `transfer: frozen` a head is trained on a frozen backbone: features are computed once per image and
    stored; without a head in the settings, one is chosen on them. With `full` all is trained in one step from
    pretrained weights, as `config.finetune` says; with `scratch` from random weights.

    With `config.baseline` the same network is also trained from scratch, and `report.transfer` tells which of
    them was better on val.

    A run that was interrupted while it trained stays in `runs_dir/.unfinished`; the same call resumes from
    its last checkpoint, and ends with the same weights as if it had never been interrupted.

    Args:
        data: Where the images are; instead of `config.data.source`.
        config: All settings; None for the defaults.
        name: The run's name; None for one made of the data's and the backbone's.
        runs_dir: The folder that the run is put into.
        overwrite: Replace a run of the same name.

    Raises:
        TlkError: Settings, images, weights or the run's folder are not as needed; nothing is left behind but
            what the same call can resume from.
        TrainingError: The loss failed; if that was after the best epoch, the run is there, with its weights.
        KeyboardInterrupt: Ctrl-C, while training after a checkpoint.
    """
    config = resolve(config or Config(), data)
    with new_run(config, config.transfer, name, runs_dir, overwrite=overwrite) as run:
        trained = FIRST_PHASE[config.transfer](run)
        report = trained.finish()
    trained.result.require_success(run.destination)
    return FitResult(run.destination, report, trained.result)
