"""Does transfer help? Two classifiers on the same images, and whether they differ by more than chance."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from tl_keras.core.types import Floats, Task
from tl_keras.evaluation.metrics import decisions

Verdict = Literal["positive", "unclear", "negative"]
FEW_EPOCHS = 3
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
        verdict: `positive` when the interval is above 0, `negative` when it is below, else `unclear`.
        seconds: Training time that both had.
        epochs: Passes over the training images that training from scratch got done in it.
    """

    images: int
    transferred: float
    scratch: float
    gain: float
    interval: tuple[float, float]
    verdict: Verdict
    seconds: float
    epochs: float

    def describe(self) -> str:
        """Return a sentence or two for people."""
        low, high = self.interval
        figures = (
            f"val accuracy {self.transferred:.3f} transferred, {self.scratch:.3f} from scratch in the same "
            f"{self.seconds:.0f} s or {self.epochs:.1f} epochs ({self.gain:+.3f}, 95% interval {low:+.3f} to "
            f"{high:+.3f}, {self.images} images)"
        )
        said = {
            "positive": "Transfer helps",
            "unclear": "No clear gain from transfer",
            "negative": "Negative transfer: this source does not help",
        }
        short = f". {self.epochs:.1f} epochs are too few to judge by" if self.epochs < FEW_EPOCHS else ""
        return f"{said[self.verdict]}: {figures}{short}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> TransferGain:
        """Read what `to_dict` wrote."""
        low, high = fields["interval"]
        return cls(**{**fields, "interval": (low, high)})


def transfer_gain(
    transferred: Floats, scratch: Floats, targets: Floats, task: Task, *, seconds: float, epochs: float
) -> TransferGain:
    """Compare two classifiers' probabilities for the same images, all float32 [n, classes]."""
    right = [(decisions(p, task) == targets.astype(bool)).all(axis=1) for p in (transferred, scratch)]
    low, high = _interval(int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum()), len(targets))
    return TransferGain(
        images=len(targets),
        transferred=float(right[0].mean()),
        scratch=float(right[1].mean()),
        gain=float(right[0].mean() - right[1].mean()),
        interval=(low, high),
        verdict="positive" if low > 0 else "negative" if high < 0 else "unclear",
        seconds=seconds,
        epochs=epochs,
    )


def _interval(won: int, lost: int, images: int) -> tuple[float, float]:
    """Return the 95 % confidence interval of a difference of two accuracies on the same images.

    Half an image is added to each of the four outcomes, so that it holds for few images too (Agresti & Min
    2005, "Simple improved confidence intervals for comparing matched proportions").

    Args:
        won: Images that only the first got right.
        lost: Images that only the second got right.
        images: All of them.
    """
    n, difference, either = images + 2, won - lost, won + lost + 1
    margin = _TWO_SIDED_95 * (either - difference**2 / n) ** 0.5 / n
    return (max(-1.0, difference / n - margin), min(1.0, difference / n + margin))
