"""`pretrain`: a source model of one's own, trained from scratch, for `fit --weights` to start from."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras

from tl_keras.config.schema import Config, pretraining_defaults
from tl_keras.core.console import say
from tl_keras.core.files import write_text
from tl_keras.data.class_weights import require_known_classes
from tl_keras.data.sources.read import read_source
from tl_keras.distributed.devices import plan_devices
from tl_keras.errors import ConfigError
from tl_keras.evaluation.record import EvaluationRecord
from tl_keras.models.classifier import as_float32, backbone_of
from tl_keras.models.saved.keras_file import save_classifier
from tl_keras.models.source_model import (
    SOURCE_FILE,
    WEIGHTS_FILE,
    round_kernels,
    save_backbone,
)
from tl_keras.phases.build import build
from tl_keras.runs.dataset import begun_with, prepared
from tl_keras.runs.folder import DEFAULT_RUNS_DIR
from tl_keras.runs.resumable import resumable_run
from tl_keras.runs.run import Run
from tl_keras.runs.settings import run_name, with_absolute_paths, with_kept_exclusions
from tl_keras.runs.source_run import source_model_info
from tl_keras.runs.worker_copies import own_runs_dir
from tl_keras.runs.write import write_run
from tl_keras.training.spec import PhaseResult, TrainSpec
from tl_keras.training.trainer import train_phase

PHASE = "1-pretrain"

UNUSED = ("finetune.", "baseline", "transfer", "features")
"""Settings that `pretrain` does not look at."""


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

    A stopped run stays in `runs_dir/.unfinished`; the same call goes on from its last checkpoint.

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
    config = with_absolute_paths(config or pretraining_defaults(), data)
    if config.model.weights != "none":
        raise ConfigError(
            "pretrain starts from random weights: expected model.weights none, found "
            f"{config.model.weights!r}.\nTo start from pretrained ones use: tlk fit (in Python: settings for "
            "pretrain start from `pretraining_defaults()`)"
        )
    keras.utils.set_random_seed(config.runtime.seed)
    device = plan_devices(config.runtime)
    source = read_source(config.data)
    require_known_classes(config, source.classes)
    wish = name or f"{run_name(config)}-source"
    with (
        own_runs_dir(Path(runs_dir)) as runs,
        resumable_run(runs, wish, config, exact=name is not None, overwrite=overwrite, unused=UNUSED) as (
            run,
            final,
        ),
    ):
        begun = begun_with(run, source, overwrite=overwrite)
        classifier, info = build(config, source.classes, device, PHASE, frozen=False)
        say(f"{config.model.backbone} from random weights, {classifier.count_params():,} of them")
        say(f"on {device.description}")
        say(device.describe_phase(config.train))
        images = begun or prepared(run, source, config)
        stored = Run(run, with_kept_exclusions(config, run, final), info, images)
        folder = run.phases_dir / PHASE
        with stored.loader("train") as train, stored.loader("val") as val:
            phase = train_phase(TrainSpec(classifier, train, val, config, config.train, device), folder)
        classifier = as_float32(classifier)
        # Before the figures, which are then those of the file.
        round_kernels(backbone_of(classifier))
        save_backbone(backbone_of(classifier), run.folder / WEIGHTS_FILE)
        save_classifier(classifier, info, folder / "model.keras")
        report = write_run(stored, classifier, classifier, stored.loader(images.reported_split))
        write_text(run.folder / SOURCE_FILE, source_model_info(stored, report).to_json())
    phase.require_success(final)
    return PretrainResult(final, final / WEIGHTS_FILE, report, phase)
