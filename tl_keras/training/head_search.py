"""Choosing a head by cross-validation on stored features."""

from __future__ import annotations

import csv
import io
import itertools
from dataclasses import astuple, dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import KFold, ShuffleSplit, StratifiedKFold, StratifiedShuffleSplit

from tl_keras.config import Config, HeadConfig, ScheduleConfig
from tl_keras.data.pipelines import Labelled
from tl_keras.training.head_bank import Floats, Task, train_bank
from tl_keras.training.statistics import column_statistics

FOLDS = 3
MANY_ROWS, MOST_ROWS = 5_000, 10_000
"""From so many rows on a single fifth is held out instead of folds; of more rows a sample is taken."""
MOST_WORK = 2e12
"""Floating-point operations of all linear candidates: about 20 s on two cores. More rows are left out."""
SEARCH_EPOCHS, FINAL_EPOCHS = 24, 60
HIDDEN, HIDDEN_DROPOUT, HIDDEN_RATE, HIDDEN_EPOCHS = 128, 0.3, 2e-3, 20
"""A hidden layer costs ten times as much as a linear head: one is tried, for fewer epochs."""
RATES = {False: (3e-3, 1e-2), True: (1e-3, 3e-3)}
"""By whether features are standardised, which makes them larger in most networks."""
DECAYS = (0.1, 1.0, 10.0)


@dataclass(frozen=True, slots=True)
class Trial:
    """A head and how it is trained, and what came of it on rows that it was not trained on.

    Attributes:
        hidden: Width of the hidden layer, 0 for none.
        dropout: Rate before every dense layer.
        standardize: Whether it trains on standardised features.
        learning_rate: Of Adam.
        weight_decay: Decoupled, of kernels.
        loss: Mean over the held-out rows.
        accuracy: The same.
    """

    hidden: int
    dropout: float
    standardize: bool
    learning_rate: float
    weight_decay: float
    loss: float = 0.0
    accuracy: float = 0.0

    def describe(self) -> str:
        """Return the head in a few words."""
        kind = f"a hidden layer of {self.hidden}" if self.hidden else "linear"
        scaled = ", on standardised features" if self.standardize else ""
        return f"{kind}{scaled}, learning rate {self.learning_rate:g}, weight decay {self.weight_decay:g}"


@dataclass(frozen=True, slots=True)
class HeadSearch:
    """What was tried.

    Attributes:
        trials: The best first.
        rows: Training images that it was tried on.
        folds: How many times some of them were held out; once: a fifth of them.
        batch_size: Rows per step.
    """

    trials: tuple[Trial, ...]
    rows: int
    folds: int
    batch_size: int

    def describe(self) -> str:
        """Return the choice and what it rests on, in a line."""
        best = self.trials[0]
        how = f"{self.folds}-fold cross-validation" if self.folds > 1 else "a held-out fifth"
        return (
            f"head: {best.describe()}: best of {len(self.trials)} by {how} of {self.rows} training images "
            f"(loss {best.loss:.3f}, accuracy {best.accuracy:.3f})"
        )

    def to_csv(self) -> str:
        """Return a table with a row per trial, best first."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(field.name for field in fields(Trial))
        writer.writerows(astuple(trial) for trial in self.trials)
        return text.getvalue()

    def applied_to(self, config: Config) -> Config:
        """Return the settings with the chosen head; what was set for training stays as it is."""
        best = self.trials[0]
        head = HeadConfig(
            hidden=(best.hidden,) if best.hidden else (), dropout=best.dropout, standardize=best.standardize
        )
        chosen: dict[str, Any] = {
            "learning_rate": best.learning_rate,
            "weight_decay": best.weight_decay,
            "batch_size": self.batch_size,
            "epochs": FINAL_EPOCHS,
            "early_stopping": FINAL_EPOCHS // 5,
            "schedule": ScheduleConfig(kind="cosine"),
        }
        free = {name: value for name, value in chosen.items() if name not in config.train.model_fields_set}
        return config.model_copy(update={"head": head, "train": config.train.model_copy(update=free)})


def search_head(train: Labelled, config: Config) -> HeadSearch | None:
    """Try heads on the training rows, none of which is judged by a row that it was trained on.

    A grid of learning rate, weight decay and standardisation for linear heads; then a hidden layer with the
    best of these. What the settings name is not varied. None if there are too few rows to hold any out.

    Args:
        train: Stored features; only the first view is used.
        config: All settings.
    """
    rows = _sample(train, config)
    if len(rows) < 2 * FOLDS:
        return None
    targets = train.targets(rows)
    features = train.load(rows).astype(np.float32)
    held_out = _held_out(targets, config)
    task = Task(
        features=features,
        targets=targets,
        multilabel=config.data.task == "multilabel",
        batch_size=_set(config, "batch_size") or _batch_size(len(rows)),
        epochs=SEARCH_EPOCHS,
        seed=config.runtime.seed,
    )
    mean, deviation = column_statistics(train)
    standardized = replace(task, features=(features - mean) / deviation)
    trials = [
        trial
        for data in (task, standardized)
        for trial in _try(data, _linear(config, standardize=data is standardized), held_out)
    ]
    best = min(trials, key=lambda trial: trial.loss)
    rate = _set(config, "learning_rate") or HIDDEN_RATE
    deep = replace(best, hidden=HIDDEN, dropout=HIDDEN_DROPOUT, learning_rate=rate)
    scaled = standardized if best.standardize else task
    trials += _try(replace(scaled, epochs=HIDDEN_EPOCHS), [deep], held_out)
    ranked = tuple(sorted(trials, key=lambda trial: trial.loss))
    return HeadSearch(ranked, len(rows), len(held_out), task.batch_size)


def _batch_size(rows: int) -> int:
    """Return a power of two that makes about sixteen steps of an epoch, and of many rows more."""
    return int(np.clip(2 ** round(np.log2(rows / 16)), 8, 256))


def _linear(config: Config, *, standardize: bool) -> list[Trial]:
    decay = _set(config, "weight_decay")
    decays = DECAYS if decay is None else (decay,)
    rate = _set(config, "learning_rate")
    rates = RATES[standardize] if rate is None else (rate,)
    return [Trial(0, 0.0, standardize, *pair) for pair in itertools.product(rates, decays)]


def _set(config: Config, name: str) -> Any:
    """Return a setting of `train` that was asked for, or None."""
    return getattr(config.train, name) if name in config.train.model_fields_set else None


def _try(task: Task, trials: list[Trial], held_out: Floats) -> list[Trial]:
    """Return the trials with their scores, means over the folds."""
    folds = len(held_out)
    losses, accuracies = (
        values.reshape(len(trials), folds).mean(axis=1)
        for values in train_bank(
            task,
            hidden=trials[0].hidden,
            dropout=trials[0].dropout,
            rates=np.repeat([trial.learning_rate for trial in trials], folds),
            decays=np.repeat([trial.weight_decay for trial in trials], folds),
            trained_on=np.tile(1 - held_out, (len(trials), 1)),
        )
    )
    losses = np.where(np.isfinite(losses), losses, np.inf)
    return [
        replace(trial, loss=float(loss), accuracy=float(accuracy))
        for trial, loss, accuracy in zip(trials, losses, accuracies, strict=True)
    ]


def _sample(train: Labelled, config: Config) -> npt.NDArray[np.int64]:
    """Return random rows of the first view, as many as there is time for."""
    width, classes = int(np.prod(train.element.shape)), len(train.classes)
    heads = 2 * len(RATES[False]) * len(DECAYS)
    per_row = 6 * width * classes * heads * SEARCH_EPOCHS
    most = min(MOST_ROWS, max(20 * classes, int(MOST_WORK / per_row)))
    order = np.random.default_rng(config.runtime.seed).permutation(len(train))
    return np.sort(order[:most])


def _held_out(targets: Floats, config: Config) -> Floats:
    """Return float32 [folds, n], 1 where a row is held out; every class alike where that can be."""
    labels = targets.argmax(axis=1)
    stratified = config.data.task == "multiclass" and np.bincount(labels)[np.unique(labels)].min() >= FOLDS
    seed = config.runtime.seed
    if len(targets) >= MANY_ROWS:
        one = StratifiedShuffleSplit if stratified else ShuffleSplit
        splits = one(1, test_size=0.2, random_state=seed).split(targets, labels)
    else:
        several = StratifiedKFold if stratified else KFold
        splits = several(FOLDS, shuffle=True, random_state=seed).split(targets, labels)
    parts = [held for _, held in splits]
    held_out = np.zeros((len(parts), len(targets)), np.float32)
    for part, rows in zip(held_out, parts, strict=True):
        part[rows] = 1
    return held_out
