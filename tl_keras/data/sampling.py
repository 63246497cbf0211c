"""Which rows an epoch has when all classes are to be drawn alike."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]


class BalancedDraws:
    """One endless sequence of draws that goes round the classes; an epoch is a stretch of it.

    The draws of a class go round its images, in another order and another view each time. So after every
    epoch no class is ahead of another by more than one draw, and no image of a class is. Nothing is
    remembered: an epoch follows from the seed and its number.

    Args:
        labels: The class of every image.
        views: How many views there are of each.
        seed: Decides all orders.
    """

    def __init__(self, labels: Sequence[str], views: int, seed: int) -> None:
        _, numbers, sizes = np.unique(np.array(labels), return_inverse=True, return_counts=True)
        self._members = np.split(np.argsort(numbers, kind="stable"), np.cumsum(sizes)[:-1])
        self._images, self._views, self._seed = len(labels), views, seed

    def epoch(self, number: int, draws: int) -> Rows:
        """Return the rows of the epoch with that number, from 0, where every epoch has so many draws."""
        start, classes = number * draws, len(self._members)
        rows = [
            self._drawn(label, _before(label, start, classes), _before(label, start + draws, classes))
            for label in range(classes)
        ]
        return self._random(classes, number).permutation(np.concatenate(rows))

    def _drawn(self, label: int, first: int, end: int) -> Rows:
        """Return the rows of a class's draws from `first` up to `end`, counted through all epochs."""
        members = self._members[label]
        size = len(members)
        rounds = range(first // size, -(-end // size))
        rows = [self._in_view(self._random(label, turn).permutation(members), turn) for turn in rounds]
        skipped = first - rounds.start * size
        return np.concatenate([members[:0], *rows])[skipped : skipped + end - first]

    def _in_view(self, images: Rows, turn: int) -> Rows:
        return images + self._images * ((images + turn) % self._views)

    def _random(self, *key: int) -> np.random.Generator:
        return np.random.default_rng([self._seed, *key])


def _before(label: int, draw: int, classes: int) -> int:
    """Return how many of the draws before `draw` are of a class, when they go round the classes."""
    return -((label - draw) // classes)
