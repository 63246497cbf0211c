"""What an evaluation found, as plain values: reading it back needs neither scikit-learn nor TensorFlow."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ClassScore:
    """Precision, recall and F1 of one class (or an average), in 0..1, and the images it rests on."""

    name: str
    precision: float
    recall: float
    f1: float
    images: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The measured quality of a classifier on one set of images.

    Attributes:
        images: How many were evaluated.
        loss: Mean cross-entropy, nats (multi-label: mean binary cross-entropy over classes).
        accuracy: Share of images that are right (multi-label: whose classes are all right).
        interval: 95 % confidence interval of the accuracy (Wilson 1927).
        top5: Share whose class is among the five most probable; None with five classes or fewer.
        classes: Scores per class.
        macro: Plain mean over classes.
        weighted: Mean over classes, weighted by their images.
        confusion: Rows are true, columns predicted classes; None for multi-label.
    """

    images: int
    loss: float
    accuracy: float
    interval: tuple[float, float]
    top5: float | None
    classes: tuple[ClassScore, ...]
    macro: ClassScore
    weighted: ClassScore
    confusion: list[list[int]] | None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Evaluation:
        """Read what `to_dict` wrote."""
        scores = {name: ClassScore(**fields[name]) for name in ("macro", "weighted")}
        classes = tuple(ClassScore(**score) for score in fields["classes"])
        low, high = fields["interval"]
        return cls(**{**fields, **scores, "classes": classes, "interval": (low, high)})
