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

from tl_keras.config.schema import Config, HeadConfig, ScheduleConfig
from tl_keras.data.class_weights import balancing_weights, class_weights
from tl_keras.data.loaders import Loader
from tl_keras.training.heads.bank import BankData, Floats, train_bank
from tl_keras.training.heads.statistics import column_statistics

FOLDS = 3
MANY_ROWS, MOST_ROWS = 5_000, 10_000
"""From so many rows on a single fifth is held out instead of folds; of more rows a sample is taken."""
MOST_WORK = 2e12
"""Floating-point operations of all linear candidates: about 20 s on two cores. More rows are left out."""
SEARCH_EPOCHS, FINAL_EPOCHS = 20, 60
HIDDEN, HIDDEN_DROPOUT, HIDDEN_RATE, HIDDEN_EPOCHS = 128, 0.3, 2e-3, 20
"""A hidden layer costs ten times as much as a linear head: one is tried, for fewer epochs."""
RATES = {False: (3e-3, 1e-2), True: (1e-3, 3e-3)}
"""By whether features are standardized, which makes them larger in most networks."""
DECAYS = (0.1, 1.0, 10.0)


@dataclass(frozen=True, slots=True)
class Trial:
    """A head and how it is trained, and what came of it on rows that it was not trained on.

    Attributes:
        hidden: Width of the hidden layer, 0 for none.
        dropout: Rate before every dense layer.
        standardize: Whether it trains on standardized features.
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
        scaled = ", on standardized features" if self.standardize else ""
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
        """Return the settings with the chosen head; what was set for training stays as it is.

        Rates and decays were tried with Adam: with another optimizer only the head itself is taken over.
        """
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
        if config.train.optimizer not in ("adam", "adamw"):
            chosen = {}
        free = {name: value for name, value in chosen.items() if name in config.open_settings("train")}
        return config.model_copy(update={"head": head, "train": config.train.model_copy(update=free)})


def search_head(train: Loader, config: Config) -> HeadSearch | None:
    """Try heads on the training rows, none of which is judged by a row that it was trained on.

    A grid of learning rate, weight decay and standardization for linear heads; then a hidden layer with the
    best of these. What the settings name is not varied. None if there are too few rows to hold any out.

    Args:
        train: Stored features; only the first view is used, and of identical images one.
        config: All settings.
    """
    rows = _sample(train, config)
    if len(rows) < 2 * FOLDS:
        return None
    targets = train.targets(rows)
    features = train.load(rows).astype(np.float32)
    parts = _parts(train, targets, config)
    raw = BankData(
        features=features,
        targets=targets,
        multilabel=config.data.task == "multilabel",
        batch_size=_batch_size(config, len(rows)),
        epochs=SEARCH_EPOCHS,
        seed=config.runtime.seed,
    )
    mean, deviation = column_statistics(train)
    standardized = replace(raw, features=(features - mean) / deviation)
    trials = [
        trial
        for data in (raw, standardized)
        for trial in _try(data, _linear(config, standardize=data is standardized), parts)
    ]
    best = min(trials, key=lambda trial: trial.loss)
    rate = _asked(config, "learning_rate") or HIDDEN_RATE
    deep = replace(best, hidden=HIDDEN, dropout=HIDDEN_DROPOUT, learning_rate=rate)
    scaled = standardized if best.standardize else raw
    trials += _try(replace(scaled, epochs=HIDDEN_EPOCHS), [deep], parts)
    ranked = tuple(sorted(trials, key=lambda trial: trial.loss))
    return HeadSearch(ranked, len(rows), len(parts.held_out), raw.batch_size)


@dataclass(frozen=True, slots=True)
class _Parts:
    """Float32 [folds, n] each: how much a row counts in the training, and in the measurement of a fold."""

    trained_on: Floats
    held_out: Floats


def _batch_size(config: Config, rows: int) -> int:
    """Return what was asked for, or a power of two that makes about 25 steps of an epoch (or more)."""
    if "batch_size" not in config.open_settings("train"):
        return config.train.images_per_step
    return int(np.clip(2 ** round(np.log2(rows / 25)), 8, 256))


def _linear(config: Config, *, standardize: bool) -> list[Trial]:
    decay = _asked(config, "weight_decay")
    decays = DECAYS if decay is None else (decay,)
    rate = _asked(config, "learning_rate")
    rates = RATES[standardize] if rate is None else (rate,)
    return [Trial(0, 0.0, standardize, *pair) for pair in itertools.product(rates, decays)]


def _asked(config: Config, name: str) -> Any:
    """Return a setting of `train` that was chosen already, or None."""
    return None if name in config.open_settings("train") else getattr(config.train, name)


def _try(data: BankData, trials: list[Trial], parts: _Parts) -> list[Trial]:
    """Return the trials with their scores, means over the folds."""
    folds = len(parts.held_out)
    losses, accuracies = (
        values.reshape(len(trials), folds).mean(axis=1)
        for values in train_bank(
            data,
            hidden=trials[0].hidden,
            dropout=trials[0].dropout,
            rates=np.repeat([trial.learning_rate for trial in trials], folds),
            decays=np.repeat([trial.weight_decay for trial in trials], folds),
            trained_on=np.tile(parts.trained_on, (len(trials), 1)),
            held_out=np.tile(parts.held_out, (len(trials), 1)),
        )
    )
    losses = np.where(np.isfinite(losses), losses, np.inf)
    return [
        replace(trial, loss=float(loss), accuracy=float(accuracy))
        for trial, loss, accuracy in zip(trials, losses, accuracies, strict=True)
    ]


def _sample(train: Loader, config: Config) -> npt.NDArray[np.int64]:
    """Return random rows of the first view, one of each content, as many as there is time for."""
    contents = {example.sha256 or str(row): row for row, example in enumerate(train.examples)}
    rows = np.array(sorted(contents.values()), np.int64)
    width, classes = int(np.prod(train.element.shape)), len(train.classes)
    heads = 2 * len(RATES[False]) * len(DECAYS) * (FOLDS if len(rows) < MANY_ROWS else 1)
    per_row = 6 * width * classes * heads * SEARCH_EPOCHS
    most = min(MOST_ROWS, max(20 * classes, int(MOST_WORK / per_row)))
    return np.sort(np.random.default_rng(config.runtime.seed).permutation(rows)[:most])


def _parts(train: Loader, targets: Floats, config: Config) -> _Parts:
    """Divide the rows, every class alike where that can be."""
    labels, seed = targets.argmax(axis=1), config.runtime.seed
    classes, counts = np.unique(labels, return_counts=True)
    enough = counts.min() >= FOLDS and len(classes) <= len(labels) // 5
    stratified = config.data.task == "multiclass" and enough
    if len(targets) >= MANY_ROWS:
        one = StratifiedShuffleSplit if stratified else ShuffleSplit
        splits = one(1, test_size=0.2, random_state=seed).split(targets, labels)
    else:
        several = StratifiedKFold if stratified else KFold
        splits = several(FOLDS, shuffle=True, random_state=seed).split(targets, labels)
    held = [rows for _, rows in splits]
    held_out = np.zeros((len(held), len(targets)), np.float32)
    for part, rows in zip(held_out, held, strict=True):
        part[rows] = 1
    weights = _row_weights(train, targets, config)
    return _Parts((1 - held_out) * weights, held_out * weights)


def _row_weights(train: Loader, targets: Floats, config: Config) -> Floats:
    """Return how much each row counts in the training: by its class's weight and how often it is drawn."""
    weights = np.ones(len(targets), np.float32)
    per_class = class_weights(train, config.train)
    if per_class:
        weights *= targets @ np.array(per_class, np.float32)
    if config.data.sampling == "balanced":
        weights *= targets @ np.array(balancing_weights(train), np.float32)
    return weights
