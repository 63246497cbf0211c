"""`lr-find`: which learning rate the second phase may have; the run stays as it is."""

from __future__ import annotations

import csv
import io
import math
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from tl_keras.config.schema import Config
from tl_keras.core.files import write_text
from tl_keras.errors import ConfigError
from tl_keras.phases.lr_search import lr_points
from tl_keras.report.lr_curve import save_lr_curve, text_curve
from tl_keras.runs.folder import find_run
from tl_keras.runs.lock import locked
from tl_keras.training.lr_range import (
    RatePoint,
    Suggestion,
    exponential_rates,
    suggest,
)

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

    def next_command(self, settings: Sequence[str] = ()) -> str | None:
        """Return the command that fine-tunes at the suggested rate; None without a suggestion.

        Args:
            settings: Options that name what was set otherwise than in the run's own settings.
        """
        if self.suggestion.rate is None:
            return None
        rate = f"{self.suggestion.rate:.2g}"
        command = ("tlk", "unfreeze-and-finetune", str(self.run), *settings, "--learning-rate", rate)
        return shlex.join(command)

    def curve(self) -> list[str]:
        """Return the smoothed loss over the rate as lines of text."""
        rates = [point.rate for point in self.points]
        return text_curve(rates, [point.smoothed for point in self.points], self.suggestion.rate)

    def to_dict(self, settings: Sequence[str] = ()) -> dict[str, Any]:
        """Return plain values for JSON, with the next command; see there for `settings`."""
        return {
            "run": str(self.run),
            "learning_rate": self.suggestion.rate,
            "reason": self.suggestion.reason,
            "points": [asdict(point) for point in self.points],
            "table": str(self.table),
            "picture": str(self.picture),
            "next": self.next_command(settings),
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
    found = find_run(Path(run))
    with locked(found.path):
        points = lr_points(found.path, config or found.config(), exponential_rates(low, high, steps))
        suggestion = suggest(points)
        done = LrFindResult(found.path, points, suggestion, folder / "lr.csv", folder / "lr.png")
        write_text(done.table, _csv(points))
        save_lr_curve(
            done.picture,
            found.path.absolute().name,
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


def _csv(points: list[RatePoint]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, [field.name for field in fields(RatePoint)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(point) for point in points)
    return text.getvalue()
