"""`lr-find`: which learning rate the second phase may have; the run stays as it is."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from tl_keras.config import Config, ScheduleConfig
from tl_keras.console import progress, say
from tl_keras.data.pipelines import steps_per_epoch, training_batches
from tl_keras.errors import ConfigError, DataError
from tl_keras.files import write_text
from tl_keras.models import backbones
from tl_keras.models.boundary import cut_at_boundary
from tl_keras.models.freezing import unfreeze
from tl_keras.report.lr_curve import save_lr_curve
from tl_keras.run import locked, open_run
from tl_keras.training.device import plan_devices
from tl_keras.training.lr_range import RatePoint, Suggestion, exponential_rates, range_test, suggest
from tl_keras.training.phase import _compile, class_weights, require_known_classes
from tl_keras.workflows.stored import open_stored
from tl_keras.workflows.unfreeze_and_finetune import _below, _require_no_source, _require_same

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
    opened = open_run(Path(run))
    with locked(opened.folder):
        points = _points(opened.folder, config or opened.config(), exponential_rates(low, high, steps))
        suggestion = suggest(points)
        done = LrFindResult(opened.folder, points, suggestion, folder / "lr.csv", folder / "lr.png")
        write_text(done.table, _csv(points))
        save_lr_curve(
            done.picture,
            opened.folder.absolute().name,
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
    _require_no_source(folder)
    keras.utils.set_random_seed(config.runtime.seed)
    device = plan_devices(config.runtime)
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
    say(f"unfrozen {config.finetune.unfreeze}: {opened.describe()}")
    stored, frozen = _below(cut, stored, config)
    model = classifier if frozen is None or cut is None else cut.upper
    phase = config.finetune.model_copy(update={"schedule": ScheduleConfig(kind="constant")})
    with stored.seen("train", frozen) as train:
        steps = steps_per_epoch(len(train), phase.images_per_step, device.replicas)
        if not steps:
            raise DataError(f"{len(train)} training images are too few for {device.replicas} replicas.")
        batches = training_batches(
            train,
            config.augment,
            batch_size=phase.images_per_step,
            epochs=math.ceil(len(rates) / steps),
            seed=config.runtime.seed,
            sampling=config.data.sampling,
            class_weights=class_weights(train, phase),
            replicas=device.replicas,
        )
        try:
            with device.strategy.scope(), progress("raising the rate", 2 * len(rates), "batches") as advance:
                _compile(model, phase, config.data.task, device, steps, together=1)
                return range_test(model, batches, rates, advance)
        except tf.errors.OpError as error:
            raise (train.failure or error) from error


def _csv(points: list[RatePoint]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(RatePoint)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(point) for point in points)
    return text.getvalue()
