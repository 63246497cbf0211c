"""What is trained on what, in which stages, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tl_keras.config.schema import Config, PhaseConfig
from tl_keras.data.loaders import Loader
from tl_keras.distributed.devices import DevicePlan
from tl_keras.errors import TrainingError


def _nothing() -> None: ...


@dataclass(frozen=True, slots=True)
class Stage:
    """Part of a phase: `begin` decides what of the model trains in it."""

    epochs: int
    begin: Callable[[], None] = _nothing


@dataclass(frozen=True, slots=True)
class TrainSpec:
    """What is trained on what, by which settings.

    Attributes:
        model: A classifier, or the upper part of one, which is trained on stored features.
        train: What to train on, images or features.
        val: The same for the images that early stopping and the choice of the best epoch look at.
        config: For augmentation, sampling, task and seed.
        phase: The settings of this phase.
        device: What to train on.
        stages: What trains for how long, one after another; None for `phase.epochs` of all that is trainable.
        short_steps: Whether a step takes less time than Keras's look between two: then many are done at once.
        layer_rates: Path of a variable -> by how much its learning rate is multiplied.
        l2_sp: How much variables are held back at what they are.
        held_back: Their paths.
    """

    model: Any
    train: Loader
    val: Loader
    config: Config
    phase: PhaseConfig
    device: DevicePlan
    stages: Sequence[Stage] | None = None
    short_steps: bool = False
    layer_rates: Mapping[str, float] = field(default_factory=dict)
    l2_sp: float = 0.0
    anchored: frozenset[str] = frozenset()

    @property
    def all_stages(self) -> Sequence[Stage]:
        return self.stages or [Stage(self.phase.epochs)]

    @property
    def hashes(self) -> list[str]:
        """Of the images trained on and judged by."""
        return [example.sha256 for example in (*self.train.examples, *self.val.examples)]

    @property
    def epochs(self) -> int:
        return sum(stage.epochs for stage in self.all_stages)


@dataclass(frozen=True, slots=True)
class BatchSize:
    """How many images make a step, and how many steps an update of the weights."""

    images: int
    accumulate: int

    def halved(self) -> BatchSize:
        """Return half as many images, of which twice as many steps make an update."""
        return BatchSize(max(1, self.images // 2), self.accumulate * 2)


@dataclass(frozen=True, slots=True)
class PhaseResult:
    """How a phase went; `summary.json` of its folder.

    Attributes:
        epochs: Epochs trained.
        best_epoch: The epoch (from 1) whose weights were kept.
        val_loss: Loss on val in that epoch, as trained (with label smoothing when asked for).
        val_accuracy: Accuracy on val in that epoch.
        seconds: Duration of the training alone.
        failure: Why it ended before its time, for people; empty when it did not.
    """

    epochs: int
    best_epoch: int
    val_loss: float
    val_accuracy: float
    seconds: float
    failure: str = ""

    def require_success(self, kept_in: Path) -> None:
        """Raise what went wrong, after all has been written.

        Raises:
            TrainingError: The phase failed after its best epoch.
        """
        if self.failure:
            raise TrainingError(
                f"{self.failure}\n"
                f"The weights of epoch {self.best_epoch}, the best until then, are in {kept_in}."
            )
