"""`lr-find`: which learning rate the second phase may have; the run stays as it is."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from tl_keras.config import Config, ScheduleConfig
from tl_keras.console import progress
from tl_keras.data.pipelines import steps_per_epoch, training_batches
from tl_keras.errors import ConfigError, DataError
from tl_keras.files import write_text
from tl_keras.report.lr_curve import save_lr_curve
from tl_keras.run import locked, open_run
from tl_keras.training.class_weights import class_weights
from tl_keras.training.device import plan_devices, require_one_process
from tl_keras.training.lr_range import RatePoint, Suggestion, exponential_rates, range_test, suggest
from tl_keras.training.optimizers import effective_rate
from tl_keras.training.phase import BatchSize, compile_for
from tl_keras.workflows.opening import adapt, open_for_finetuning, opened

FEWEST_STEPS = 10


@dataclass(frozen=True, slots=True)
class LrFindResult:
    """What the learning-rate range test found and wrote.

    Attributes:
        run: The run's folder.
        points: Rate and loss of every step.
        suggestion: The rate to train at, or why there is none.
        table: The points as CSV.
        picture: The points as PNG.
    """

    run: Path
    points: list[RatePoint]
    suggestion: Suggestion
    table: Path
    picture: Path

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "run": str(self.run),
            "learning_rate": self.suggestion.rate,
            "reason": self.suggestion.reason,
            "points": [asdict(point) for point in self.points],
            "table": str(self.table),
            "picture": str(self.picture),
        }


def lr_find(
    run: str | Path,
    config: Config | None = None,
    *,
    low: float = 1e-7,
    high: float = 1.0,
    steps: int = 100,
    output: str | Path | None = None,
) -> LrFindResult:
    """Train a copy of a run's model for a moment, at a rising learning rate, and suggest a rate.

    The model is prepared as `unfreeze_and_finetune` with the same settings would. The run stays as it is, but
    for the table and the picture.

    Args:
        run: A finished run's folder.
        config: All settings; finetune, augment and runtime may differ from the run's. None for the run's own.
        low: The rate of the first step.
        high: The rate of the last one, unless the loss explodes before.
        steps: At most so many steps; where the images are fewer they are gone through again.
        output: The folder for lr.csv and lr.png, which are replaced; None for the run's `lr_find/`.

    Raises:
        TlkError: The run, its images or the settings are not as needed.
    """
    _require_range(low, high, steps)
    folder = Path(output) if output is not None else Path(run) / "lr_find"
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"Expected --output to be a folder; {folder} is a file.")
    stored = open_run(Path(run))
    with locked(stored.folder):
        points = _points(stored.folder, config or stored.config(), exponential_rates(low, high, steps))
        suggestion = suggest(points)
        done = LrFindResult(stored.folder, points, suggestion, folder / "lr.csv", folder / "lr.png")
        write_text(done.table, _csv(points))
        save_lr_curve(
            done.picture,
            stored.folder.absolute().name,
            [point.rate for point in points],
            [point.loss for point in points],
            [point.smoothed for point in points],
            suggestion.rate,
        )
    return done


def _require_range(low: float, high: float, steps: int) -> None:
    """Refuse what is no range of learning rates.

    Raises:
        ConfigError: It is none, or has too few steps for a curve.
    """
    if not 0 < low < high < math.inf:
        raise ConfigError(f"Expected 0 < --from < --to; found --from {low:g} --to {high:g}.")
    if steps < FEWEST_STEPS:
        raise ConfigError(f"Expected --steps to be {FEWEST_STEPS} or more, for a curve; found {steps}.")


def _points(folder: Path, config: Config, rates: list[float]) -> list[RatePoint]:
    """Prepare model and images as `unfreeze_and_finetune` does, and train for a step at each rate."""
    require_one_process(config.runtime, "lr-find")
    keras.utils.set_random_seed(config.runtime.seed)
    device = plan_devices(config.runtime)
    stored, classifier = open_for_finetuning(folder, config, device)
    if config.finetune.batchnorm == "adapt":
        adapt(stored, classifier)
    found = opened(stored, classifier, config, device, used_by=folder)
    found.stages[-1].begin()
    with found.seen("train") as train:
        phase = config.finetune.model_copy(update={"schedule": ScheduleConfig(kind="constant")})
        lesson = replace(found.lesson(train, train), phase=phase)
        size = BatchSize(phase.images_per_step, 1)
        # What is suggested is what --learning-rate takes, which is scaled when it is used.
        scale = effective_rate(phase, size.images * phase.accumulate) / phase.learning_rate
        steps = steps_per_epoch(len(train), size.images, device.replicas)
        if not steps:
            raise DataError(f"{len(train)} training images are too few for {device.replicas} replicas.")
        batches = training_batches(
            train,
            config.augment,
            batch_size=size.images,
            epochs=math.ceil(len(rates) / steps),
            seed=config.runtime.seed,
            sampling=config.data.sampling,
            class_weights=class_weights(train, phase),
            replicas=device.replicas,
        )
        try:
            with device.strategy.scope(), progress("raising the rate", 2 * len(rates), "batches") as advance:
                compile_for(lesson, size, steps)
                points = range_test(lesson.model, batches, [rate * scale for rate in rates], advance)
        except tf.errors.OpError as error:
            raise (train.failure or error) from error
    return [replace(point, rate=point.rate / scale) for point in points]


def _csv(points: list[RatePoint]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(RatePoint)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(point) for point in points)
    return text.getvalue()
