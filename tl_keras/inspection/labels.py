"""Images that are probably mislabeled: a model that has not seen them predicts another label.

The idea of confident learning (Northcutt et al. 2021, arXiv 1911.00068): predict every image by a model that
is trained without it, and see where the prediction contradicts the label. Here

- the model is a ridge regression of one-hot labels on standardized features. What it predicts for a row, or a
  group of rows, that is left out follows from one eigendecomposition: no folds, and no luck in drawing them;
- its outputs become probabilities of the true class by a scale, and a label is taken to be the true class but
  for an unknown share of them, which are any other class. Scale, share and penalty are those that make the
  labels of left-out rows the most probable. So the score of an image is the probability that its label is
  wrong. In clean data hardly any is flagged, however often the model errs: its errors are explained by doubt,
  where the thresholds of the paper (and of cleanlab) flag them. See benchmarks/README.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

THRESHOLD = 0.5
"""A label that is more probably wrong than right is worth a look."""
FEWEST = 5
"""Labels of a class with fewer rows (or groups of rows) are not judged: without a row too little is left."""
PENALTIES = 0.03 * 10 ** np.arange(0, 3.5, 0.5)
"""Times the number of rows; features have unit variance."""
SCALES = np.geomspace(0.5, 128, 33)
"""Of the regression's outputs, about 0 to 1, before the softmax."""
PRIOR_WRONG, PRIOR_RIGHT = 1, 9
"""Labels imagined in addition to the real ones, so few that a hundred of these outweigh them. Where wrong
labels and doubt explain the data equally well (two classes, few rows) they speak for few wrong ones."""
PARAMETERS = 3
"""Scale, share and penalty: the least gain in log-likelihood that speaks for them (Akaike's criterion)."""
MOST_SAMPLED, FEWEST_SAMPLED = 200_000, 5_000
"""Scale, share and penalty are chosen on so many outputs (rows times classes), but no fewer rows."""
LEAST_DEVIATION = 0.01
ROWS_AT_ONCE = 4096
TINY = 1e-12


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A label that is probably wrong.

    Attributes:
        index: Row.
        given: Class number as labeled.
        suggested: Class number that fits better.
        score: 0 to 1, the estimated probability that the label is wrong.
    """

    index: int
    given: int
    suggested: int
    score: float


def suspicious_labels(
    features: npt.NDArray[np.floating], labels: npt.NDArray[np.integer], seed: int, groups: Sequence[str] = ()
) -> tuple[list[Suspicion], Floats]:
    """Return the labels that are more probably wrong than right, worst first, and the scores of all rows.

    Args:
        features: [n, D].
        labels: [n], class numbers from 0.
        seed: Which rows the few parameters are chosen on, where there are too many.
        groups: One name per row, or none at all; rows of a group are left out together, else a copy with
            the same wrong label would vouch for it. An empty name is a group of its own.

    Returns:
        Suspicions, and float32 [n] scores in 0..1; 0 for rows that are not judged: those of classes with
        fewer than `FEWEST` groups, and all where there is only one class.
    """
    present, given = np.unique(labels, return_inverse=True)
    codes = _group_codes(groups, len(given))
    judged = _judged(given, codes)
    scores, suggested = np.zeros(len(given), np.float32), np.zeros(len(given), np.int64)
    if len(present) < 2 or not judged.any():
        return [], scores
    left_out = _LeftOut(features, given, codes)
    noise, penalty = _choose(left_out, judged, _sample_rows(codes, len(present), seed))
    outputs = left_out.outputs(penalty, np.arange(len(given)))
    likelier = np.zeros(len(given), bool)
    for part in _blocks(len(given)):
        scores[part], suggested[part], likelier[part] = noise.judge(outputs[part], given[part])
    scores[~judged] = 0
    found = np.flatnonzero(likelier & (scores > THRESHOLD))
    ranked = found[np.argsort(-scores[found], kind="stable")]
    return [
        Suspicion(int(row), int(labels[row]), int(present[suggested[row]]), float(scores[row]))
        for row in ranked
    ], scores


class _LeftOut:
    """Ridge regression of one-hot labels, evaluated at rows that it is not trained on.

    Args:
        features: [n, D].
        given: int [n], class numbers 0..C-1, all of which occur.
        codes: int [n], the number of a row's group.

    Attributes:
        given: As above.
        shares: float64 [C], of classes among the rows.
    """

    def __init__(self, features: npt.NDArray[np.floating], given: Indices, codes: Indices) -> None:
        self.given, self._codes = given, codes
        self._basis, self._strengths = _principal(features)
        count = len(given)
        one_hot = csr_array((np.ones(count, np.float32), (given, np.arange(count))))
        self._sums = np.asarray(one_hot @ self._basis, np.float64).T  # [r, C]
        self.shares = np.bincount(given) / count

    def outputs(self, penalty: float, rows: Indices) -> Floats:
        """Return float32 [rows, C], about 0 to 1; each group among `rows` must be there as a whole."""
        whole = len(rows) == len(self.given)
        basis, given = (self._basis if whole else self._basis[rows]), self.given[rows]
        shrink = self._strengths / (self._strengths + penalty * len(self.given))
        # The error of a row left out is its error divided by 1 - its leverage; see e.g. Hastie et al.,
        # The Elements of Statistical Learning, 7.10. The intercept has the leverage 1/n.
        errors = -(basis @ (shrink[:, None] * self._sums).astype(np.float32)) - self.shares.astype(np.float32)
        errors[np.arange(len(rows)), given] += 1
        leverage = np.einsum("ij,ij,j->i", basis, basis, shrink.astype(np.float32)) + 1 / len(self.given)
        together = _several(self._codes[rows])
        exact = [_without(self._weighed(basis[group], shrink), errors[group]) for group in together]
        errors /= np.maximum(1 - leverage, TINY)[:, None].astype(np.float32)
        for group, values in zip(together, exact, strict=True):
            errors[group] = values
        np.negative(errors, out=errors)
        errors[np.arange(len(rows)), given] += 1
        return errors

    def _weighed(self, basis: Floats, shrink: Doubles) -> Doubles:
        """Return Z [m, r + 1] with Z Z' the part of the hat matrix of these rows."""
        intercept = np.full((len(basis), 1), len(self.given) ** -0.5)
        return np.hstack([basis * np.sqrt(shrink), intercept])


@dataclass(frozen=True, slots=True)
class _Noise:
    """How outputs and labels are connected.

    Attributes:
        scale: Of outputs, before the softmax.
        share: Of wrong labels, 0..0.5.
    """

    scale: float
    share: float

    def judge(self, outputs: Floats, given: Indices) -> tuple[Doubles, Indices, npt.NDArray[np.bool_]]:
        """Return [n] the probability of a wrong label, the best other class, and if it is likelier."""
        rows, others = np.arange(len(given)), outputs.shape[1] - 1
        weights = np.exp(self.scale * (outputs - outputs.max(axis=1, keepdims=True)).astype(np.float64))
        own = weights[rows, given] * (1 - self.share)
        weights *= self.share / others
        weights[rows, given] = 0
        wrong = weights.sum(axis=1)
        best = weights.argmax(axis=1)
        return wrong / np.maximum(wrong + own, TINY), best, weights[rows, best] > own


def _choose(left_out: _LeftOut, judged: npt.NDArray[np.bool_], rows: Indices) -> tuple[_Noise, float]:
    """Return noise and penalty that make the labels of the judged among `rows` the most probable.

    Where these are hardly better than the shares of the classes, the features tell nothing: a share of 0.
    """
    use = judged[rows] if judged[rows].any() else np.ones(len(rows), bool)
    given = left_out.given[rows][use]
    best = float(np.log(left_out.shares[given]).sum()) + PARAMETERS
    chosen = (_Noise(1.0, 0.0), 1.0)
    for penalty in PENALTIES:
        outputs = left_out.outputs(penalty, rows)[use]
        outputs -= outputs.max(axis=1, keepdims=True)
        own = outputs[np.arange(len(given)), given]
        for scale in SCALES:
            right = np.exp(scale * own) / np.exp(np.float32(scale) * outputs).sum(axis=1)
            other = (1 - right) / (outputs.shape[1] - 1)
            share = _share(right.astype(np.float64), other.astype(np.float64))
            value = np.log(np.maximum((1 - share) * right + share * other, TINY)).sum()
            value += PRIOR_WRONG * np.log(share) + PRIOR_RIGHT * np.log(1 - share)
            if value > best:
                best, chosen = value, (_Noise(float(scale), share), float(penalty))
    return chosen


def _share(right: Doubles, other: Doubles) -> float:
    """Return the share e of wrong labels that maximizes the sum of log((1-e) right + e other) and the prior.

    The sum is concave: its slope is followed to where it is 0.
    """
    low, high = 0.0, 0.5
    for _ in range(20):
        share = (low + high) / 2
        slope = ((other - right) / np.maximum((1 - share) * right + share * other, TINY)).sum()
        if slope + PRIOR_WRONG / share - PRIOR_RIGHT / (1 - share) > 0:
            low = share
        else:
            high = share
    return (low + high) / 2


def _principal(features: npt.NDArray[np.floating]) -> tuple[Floats, Doubles]:
    """Return an orthonormal basis [n, r] of the standardized columns, and the r squared singular values."""
    count, width = features.shape
    mean, deviation = _statistics(features)

    def standardized(rows: slice) -> Floats:
        return ((_finite(features[rows]) - mean) / deviation).astype(np.float32)

    if count < width:
        every = standardized(slice(None)).astype(np.float64)
        strengths, vectors = _positive(every @ every.T)
        return vectors.astype(np.float32), strengths
    gram = np.zeros((width, width))
    for rows in _blocks(count):
        part = standardized(rows)
        gram += part.T @ part
    strengths, vectors = _positive(gram)
    turn = (vectors / np.sqrt(strengths)).astype(np.float32)
    basis = np.empty((count, len(strengths)), np.float32)
    for rows in _blocks(count):
        basis[rows] = standardized(rows) @ turn
    return basis, strengths


def _positive(gram: Doubles) -> tuple[Doubles, Doubles]:
    """Return eigenvalues that are not 0 but for rounding, and their vectors in columns."""
    values, vectors = np.linalg.eigh(gram)
    kept = values > max(1e-6 * values[-1], TINY)
    return values[kept], vectors[:, kept]


def _statistics(features: npt.NDArray[np.floating]) -> tuple[Doubles, Doubles]:
    """Return mean and deviation of columns; no deviation is below a hundredth of their median, or 0."""
    count = len(features)
    mean = sum(_finite(features[rows]).sum(axis=0) for rows in _blocks(count)) / count
    squares = sum(((_finite(features[rows]) - mean) ** 2).sum(axis=0) for rows in _blocks(count))
    deviation = np.sqrt(squares / count)
    deviation = np.maximum(deviation, LEAST_DEVIATION * np.median(deviation))
    return mean, np.where(deviation > 0, deviation, 1)


def _finite(features: npt.NDArray[np.floating]) -> Doubles:
    """Return float64; what overflowed in the network is 0."""
    return np.nan_to_num(features.astype(np.float64), nan=0, posinf=0, neginf=0)


def _without(z: Doubles, errors: Floats) -> Floats:
    """Return (I - Z Z')^-1 E, the errors of rows left out together, from Z [m, r] and E [m, C]."""
    if len(z) <= z.shape[1]:
        return np.linalg.solve(np.eye(len(z)) - z @ z.T, errors).astype(np.float32)
    # The same by Woodbury's identity, for groups that are larger than the basis.
    inner = np.linalg.solve(np.eye(z.shape[1]) - z.T @ z, z.T @ errors)
    return (errors + z @ inner).astype(np.float32)


def _group_codes(groups: Sequence[str], count: int) -> Indices:
    """Return int [n], equal for rows of a group."""
    names = {name: number for number, name in enumerate(sorted(set(groups)), start=count)}
    return np.array(
        [names[name] if name else row for row, name in enumerate(groups or [""] * count)], np.int64
    )


def _judged(given: Indices, codes: Indices) -> npt.NDArray[np.bool_]:
    """Return bool [n], whether a row's class has enough groups."""
    pairs = np.unique(np.stack([given, codes]), axis=1)
    return (np.bincount(pairs[0], minlength=1) >= FEWEST)[given]


def _sample_rows(codes: Indices, classes: int, seed: int) -> Indices:
    """Return the rows of random whole groups: all, or about as many as there is time for."""
    most = max(FEWEST_SAMPLED, MOST_SAMPLED // classes)
    if len(codes) <= most:
        return np.arange(len(codes))
    _, group, sizes = np.unique(codes, return_inverse=True, return_counts=True)
    order = np.random.default_rng([seed, len(codes)]).permutation(len(sizes))
    enough = int(np.searchsorted(np.cumsum(sizes[order]), most)) + 1
    chosen = np.zeros(len(sizes), bool)
    chosen[order[:enough]] = True
    return np.flatnonzero(chosen[group])


def _several(codes: Indices) -> list[Indices]:
    """Return the places of each group of more than one row."""
    _, group, sizes = np.unique(codes, return_inverse=True, return_counts=True)
    order, ends = np.argsort(group, kind="stable"), np.cumsum(sizes)
    return [order[ends[number] - sizes[number] : ends[number]] for number in np.flatnonzero(sizes > 1)]


def _blocks(count: int) -> Iterator[slice]:
    return (slice(start, start + ROWS_AT_ONCE) for start in range(0, count, ROWS_AT_ONCE))
