"""`fit`: a folder of labelled images becomes a tested classifier with a frozen backbone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import keras

from tl_keras.config import Config
from tl_keras.console import say, warn
from tl_keras.data.prepare import prepare
from tl_keras.data.sources.read import read_source
from tl_keras.evaluation.report import Report
from tl_keras.exporting.keras_file import save_classifier
from tl_keras.models.backbones import find
from tl_keras.models.source import with_source
from tl_keras.run import DEFAULT_RUNS_DIR, new_run
from tl_keras.training.device import DevicePlan, plan_devices
from tl_keras.training.phase import PhaseResult, train_phase
from tl_keras.workflows.baseline import against_scratch
from tl_keras.workflows.new_classifier import build, run_name, with_absolute_paths, write_run
from tl_keras.workflows.stored import StoredRun

PHASE = "1-head"


@dataclass(frozen=True, slots=True)
class FitResult:
    """What `fit` made.

    Attributes:
        run: The run's folder.
        report: How good the classifier is.
        phase: How the training went.
    """

    run: Path
    report: Report
    phase: PhaseResult


def fit(
    data: str | Path | None = None,
    config: Config | None = None,
    *,
    name: str | None = None,
    runs_dir: str | Path = DEFAULT_RUNS_DIR,
    overwrite: bool = False,
) -> FitResult:
    """Train a head on a frozen backbone, keep the best epoch, measure it on test.

    With `config.baseline` the same network is also trained from scratch, and `report.transfer` tells which of
    them was better on val.

    Args:
        data: Where the images are; instead of `config.data.source`.
        config: All settings; None for the defaults.
        name: The run's name; None for one made of the data's and the backbone's.
        runs_dir: The folder that the run is put into.
        overwrite: Replace a run of the same name.

    Raises:
        TlkError: Settings, images, weights or the run's folder are not as needed; nothing is left behind.
    """
    config = with_absolute_paths(with_source(config or Config()), data)
    keras.utils.set_random_seed(config.runtime.seed)
    device = plan_devices(config.runtime)
    source = read_source(config.data)
    wish = name or run_name(config)
    with new_run(Path(runs_dir), wish, exact=name is not None, overwrite=overwrite) as (run, final):
        # The model before the images: wrong settings and missing weights show within seconds.
        classifier, info = build(config, source.classes, device, PHASE, frozen=True)
        _say_plan(config, device)
        prepared = prepare(source, config.data, info.geometry, config.runtime.seed)
        stored = StoredRun(run, config, info, prepared)
        with stored.loader("train") as train, stored.loader("val") as val:
            folder = run.phases_dir / PHASE
            phase = train_phase(classifier, train, val, config, config.train, device, folder)
            if config.baseline == "scratch":
                against_scratch(config, classifier, train, val, device, phase.seconds, folder)
        save_classifier(classifier, info, folder / "model.keras")
        report = write_run(stored, classifier)
    return FitResult(final, report, phase)


def _say_plan(config: Config, device: DevicePlan) -> None:
    backbone, weights = config.model.backbone, config.model.weights
    source = find(backbone).source
    say(f"{backbone}, {f'pretrained on {source}' if weights == 'pretrained' else f'weights: {weights}'}")
    say(f"on {device.description}, {device.precision}")
    if weights == "none":
        warn("the frozen backbone has random weights: its features are random, and nothing is transferred.")
