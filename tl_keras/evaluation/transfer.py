"""Does transfer help? Two classifiers on the same images, and whether they differ by more than chance."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from tl_keras.evaluation.metrics import Floats, decisions
from tl_keras.model_info import Task

Verdict = Literal["positive", "unclear", "negative"]
_TWO_SIDED_95 = 1.96


@dataclass(frozen=True, slots=True)
class TransferGain:
    """What starting from the source was worth on val, against the same network trained from scratch.

    Attributes:
        images: Images of val, which both were measured on.
        transferred: Accuracy of the classifier with the source's frozen backbone, in 0..1.
        scratch: Accuracy of the same network trained from random weights.
        gain: The difference.
        interval: Its 95 % confidence interval, from the images that only one of them got right.
        verdict: `negative` when transfer was not better, `positive` when the interval is above 0, else
            `unclear`.
        seconds: Training time that both had.
        epochs: Epochs that training from scratch got done in it.
    """

    images: int
    transferred: float
    scratch: float
    gain: float
    interval: tuple[float, float]
    verdict: Verdict
    seconds: float
    epochs: int

    def describe(self) -> str:
        """Return a sentence or two for people."""
        low, high = self.interval
        figures = (
            f"val accuracy {self.transferred:.3f} transferred, {self.scratch:.3f} from scratch in the same "
            f"{self.seconds:.0f} s ({self.gain:+.3f}, 95% interval {low:+.3f} to {high:+.3f})"
        )
        said = {
            "positive": "Transfer helps",
            "unclear": "Transfer may help, but the difference may be chance",
            "negative": "Negative transfer: this source does not help",
        }
        return f"{said[self.verdict]}: {figures}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> TransferGain:
        """Read what `to_dict` wrote."""
        low, high = fields["interval"]
        return cls(**{**fields, "interval": (low, high)})


def transfer_gain(
    transferred: Floats, scratch: Floats, targets: Floats, task: Task, *, seconds: float, epochs: int
) -> TransferGain:
    """Compare two classifiers' probabilities for the same images, all float32 [n, classes]."""
    right = [(decisions(p, task) == targets.astype(bool)).all(axis=1) for p in (transferred, scratch)]
    difference = right[0].astype(float) - right[1].astype(float)
    gain = float(difference.mean())
    # The normal approximation for paired shares (Agresti 2013, "Categorical Data Analysis", 11.1).
    margin = _TWO_SIDED_95 * float(difference.std() / np.sqrt(len(difference)))
    verdict: Verdict = "negative" if gain <= 0 else "positive" if gain > margin else "unclear"
    return TransferGain(
        images=len(difference),
        transferred=float(right[0].mean()),
        scratch=float(right[1].mean()),
        gain=gain,
        interval=(gain - margin, gain + margin),
        verdict=verdict,
        seconds=seconds,
        epochs=epochs,
    )
