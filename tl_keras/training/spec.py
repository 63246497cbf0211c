"""What is trained on what, in which stages, and what came of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import tensorflow as tf

from tl_keras.config.schema import AugmentConfig, Config, PhaseConfig, Sampling
from tl_keras.core.types import Task
from tl_keras.data.batches import steps_per_epoch, training_batches
from tl_keras.data.class_weights import class_weights
from tl_keras.data.loaders import Loader
from tl_keras.distributed.devices import DevicePlan
from tl_keras.errors import DataError, TrainingError


def _nothing() -> None: ...


@dataclass(frozen=True, slots=True)
class Stage:
    """Part of a phase: `begin` decides what of the model trains in it."""

    epochs: int
    begin: Callable[[], None] = _nothing


@dataclass(frozen=True, slots=True)
class TrainSpec:
    """What is trained on what, and how.

    Attributes:
        model: A classifier, or the upper part of one, which is trained on stored features.
        train: What to train on, images or features.
        val: The same for the images that early stopping and the choice of the best epoch look at.
        phase: The settings of this phase.
        device: What to train on.
        task: `multiclass` or `multilabel`.
        seed: Decides order, augmentation and dropout.
        augment: Random changes to images; stored features are never changed.
        sampling: Which images an epoch draws.
        stages: What trains for how long, one after another; None for `phase.epochs` of all that is trainable.
        short_steps: Whether a step takes less time than Keras's look between two: then many are done at once.
        layer_rates: Path of a variable -> by how much its learning rate is multiplied.
        l2_sp: How much variables are drawn towards what they are.
        anchored: Their paths.
        checkpoint_minutes: Time between two checkpoints within an epoch.
        tensorboard: Whether to write TensorBoard logs into the phase's folder.
    """

    model: Any
    train: Loader
    val: Loader
    phase: PhaseConfig
    device: DevicePlan
    task: Task = "multiclass"
    seed: int = 0
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    sampling: Sampling = "natural"
    stages: Sequence[Stage] | None = None
    short_steps: bool = False
    layer_rates: Mapping[str, float] = field(default_factory=dict)
    l2_sp: float = 0.0
    anchored: frozenset[str] = frozenset()
    checkpoint_minutes: float = 1.0
    tensorboard: bool = False

    @classmethod
    def from_config(
        cls, config: Config, phase: PhaseConfig, device: DevicePlan, model: Any, train: Loader, val: Loader
    ) -> Self:
        """Return what the settings of a run say about training `model` in `phase`."""
        return cls(
            model=model,
            train=train,
            val=val,
            phase=phase,
            device=device,
            task=config.data.task,
            seed=config.runtime.seed,
            augment=config.augment,
            sampling=config.data.sampling,
            checkpoint_minutes=config.runtime.checkpoint_minutes,
            tensorboard=config.runtime.tensorboard,
        )

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

    def steps_per_epoch(self, images_per_step: int) -> int:
        """Return how many batches of so many images an epoch has.

        Raises:
            DataError: There are fewer images than replicas.
        """
        steps = steps_per_epoch(len(self.train), images_per_step, self.device.replicas)
        if not steps:
            raise DataError(
                f"{len(self.train)} training images are too few for {self.device.replicas} replicas."
            )
        return steps

    def batches(self, images_per_step: int, epochs: int, start: int = 0) -> tf.data.Dataset:
        """Return this process's shard of the batches of `epochs` epochs, without the first `start`."""
        return training_batches(
            self.train,
            self.augment,
            batch_size=images_per_step,
            epochs=epochs,
            seed=self.seed,
            sampling=self.sampling,
            class_weights=class_weights(self.train, self.phase),
            replicas=self.device.replicas,
            shard=self.device.shard,
            start=start,
        )

    @property
    def chance_loss(self) -> float:
        """The loss of a model that finds all answers equally probable."""
        return math.log(2 if self.task == "multilabel" else max(2, len(self.train.classes)))


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
