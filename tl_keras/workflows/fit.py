"""`fit`: a folder of labelled images becomes a tested classifier."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras

from tl_keras.config.schema import Config
from tl_keras.data.class_weights import require_known_classes
from tl_keras.data.sources.read import read_source
from tl_keras.distributed.devices import plan_devices
from tl_keras.errors import ConfigError
from tl_keras.evaluation.record import EvaluationRecord
from tl_keras.models.saved.keras_file import save_classifier
from tl_keras.models.source_model import with_source
from tl_keras.phases.full import train_whole
from tl_keras.phases.head import train_frozen, trains_on_features
from tl_keras.runs.dataset import begun_with
from tl_keras.runs.folder import DEFAULT_RUNS_DIR, PHASES
from tl_keras.runs.resumable import resumable_run
from tl_keras.runs.settings import run_name, with_absolute_paths, with_transfer
from tl_keras.runs.worker_copies import own_runs_dir
from tl_keras.runs.write import write_run
from tl_keras.training.spec import PhaseResult


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

    A run that was stopped while it trained stays in `runs_dir/.unfinished`; the same call goes on from its
    last checkpoint, and ends with the same weights as if it had never been stopped.

    Args:
        data: Where the images are; instead of `config.data.source`.
        config: All settings; None for the defaults.
        name: The run's name; None for one made of the data's and the backbone's.
        runs_dir: The folder that the run is put into.
        overwrite: Replace a run of the same name.

    Raises:
        TlkError: Settings, images, weights or the run's folder are not as needed; nothing is left behind but
            what the same call can go on from.
        TrainingError: The loss failed; if that was after the best epoch, the run is there, with its weights.
        KeyboardInterrupt: Ctrl-C, while training after a checkpoint.
    """
    config = with_absolute_paths(with_transfer(with_source(config or Config())), data)
    if config.head and config.head.standardize and not trains_on_features(config):
        raise ConfigError(
            "head.standardize needs stored features: features: on, transfer: frozen, and no MixUp or CutMix."
        )
    keras.utils.set_random_seed(config.runtime.seed)
    device = plan_devices(config.runtime)
    source = read_source(config.data)
    require_known_classes(config, source.classes)
    wish = name or run_name(config)
    unused = ("train.", "baseline") if config.transfer == "full" else ("finetune.", "baseline")
    with (
        own_runs_dir(Path(runs_dir)) as folder,
        resumable_run(folder, wish, config, exact=name is not None, overwrite=overwrite, unused=unused) as (
            run,
            final,
        ),
    ):
        begun = begun_with(run, source, overwrite=overwrite)
        train = train_frozen if config.transfer == "frozen" else train_whole
        trained = train(config, device, source, begun, run, final)
        save_classifier(
            trained.classifier, trained.stored.info, run.phases_dir / PHASES[config.transfer] / "model.keras"
        )
        report = write_run(trained.stored, trained.classifier, trained.model, trained.reported)
    trained.phase.require_success(final)
    return FitResult(final, report, trained.phase)
