"""metrics.json: what was measured, on which images, of which model."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from tl_keras.evaluation.evaluation import Evaluation
from tl_keras.evaluation.transfer_gain import TransferGain


@dataclass(frozen=True, slots=True)
class CleanAccuracy:
    """The accuracy on the images of which the model saw no copy in training.

    Attributes:
        images: How many.
        accuracy: Share of them that are right.
        interval: 95 % confidence interval of the accuracy (Wilson 1927).
    """

    images: int
    accuracy: float
    interval: tuple[float, float]

    def describe(self) -> str:
        """Return it in one line."""
        low, high = self.interval
        return (
            f"without these {self.accuracy:.3f}, 95% interval {low:.3f} to {high:.3f}, {self.images} images"
        )


@dataclass(frozen=True, slots=True)
class EvaluationRecord:
    """An evaluation and what one must know to read it.

    Attributes:
        data: The source of the images.
        split: Which of its splits was evaluated.
        used_for_selection: Whether training looked at these images to choose its best epoch, which makes
            the figures somewhat too good.
        trained_on: How many of these images the model was trained on, as they are or as a near-duplicate or
            another image of their group, which makes the figures worthless as far as they go.
        backbone: Name of the backbone.
        phase: The training phase that the model came from, e.g. `1-head`.
        evaluation: The figures.
        transfer: What the source was worth against training from scratch, if that was asked for.
        without_leaked: The accuracy without those that were trained on; None if there are none, or no others.
    """

    data: str
    split: str
    used_for_selection: bool
    trained_on: int
    backbone: str
    phase: str
    evaluation: Evaluation
    transfer: TransferGain | None = None
    without_leaked: CleanAccuracy | None = None

    def headline(self) -> str:
        """Return the accuracy with its interval and count, in one line."""
        found = self.evaluation
        low, high = found.interval
        return (
            f"{self.split} accuracy {found.accuracy:.3f}, 95% interval {low:.3f} to {high:.3f}, "
            f"{found.images} images{self._caution()}"
        )

    def _caution(self) -> str:
        if self.trained_on:
            without = f"; {self.without_leaked.describe()}" if self.without_leaked else ""
            return f" ({self.trained_on} of them, or copies or relatives, were trained on{without})"
        return " (also used to choose the best epoch)" if self.used_for_selection else ""

    def to_json(self) -> str:
        """Return the file's text."""
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=2) + "\n"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> EvaluationRecord:
        """Read what `to_dict` wrote."""
        evaluation, transfer = Evaluation.from_dict(fields["evaluation"]), fields.get("transfer")
        read = {"evaluation": evaluation, "transfer": transfer and TransferGain.from_dict(transfer)}
        without = fields.get("without_leaked")
        if without:
            read["without_leaked"] = CleanAccuracy(**{**without, "interval": tuple(without["interval"])})
        return cls(**{**fields, **read})
