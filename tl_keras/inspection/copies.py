"""Images that are copies of each other: byte for byte, or scaled, re-encoded or slightly changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import (
    Callable,
    Iterable,
    Iterator,
    Mapping,
)
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from tl_keras.core.console import progress
from tl_keras.data.example import Example
from tl_keras.data.images.facts import THUMBNAIL, Facts
from tl_keras.inspection.examine import ExaminedImages

LOOK_BITS = 6
"""The perceptual hashes of near-duplicates differ in no more bits: this finds the candidates, ..."""

LEAST_CORRELATION, MOST_SHIFT = 0.95, 24
"""... their thumbnails correlate so much around their mean colors, and these differ by no more than so many
levels in any channel. All three fit copies at half the size and JPEG quality 60."""

LEAST_CONTRAST = 2.0
"""Standard deviation of a color channel of a thumbnail: below it there is nothing to compare."""

PART_BITS, PARTS = 16, 4
"""Of hashes that differ in 6 of 64 bits, one of the four quarters differs in one bit at most."""

CROWD = 32
"""Where more hashes share a quarter, each is compared with so many neighbors: the time stays linear."""

BLOCK, CONFIRMED = 65_536, 4096
"""Images that are looked up, and pairs whose thumbnails are compared, at once."""

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Copies:
    """Which of the readable images are copies of each other.

    Attributes:
        exact: Index of an image -> index of the first one with the same bytes, for all but the first.
        near: Indices of near-duplicates, int64 [m, 2]; of exact copies only the first is named.
    """

    exact: Mapping[int, int]
    near: Ints


def find_copies(examined: ExaminedImages, *, look_alikes: bool = True) -> Copies:
    """Compare all readable images with each other, in time that grows with their number, not its square.

    Args:
        examined: The images.
        look_alikes: Whether near-duplicates are looked for.
    """
    first: dict[str, int] = {}
    exact = {}
    for index, example in enumerate(examined.examples):
        if example.is_used and first.setdefault(example.sha256, index) != index:
            exact[index] = first[example.sha256]
    if not look_alikes:
        return Copies(exact, np.zeros((0, 2), np.int64))
    distinct = np.array(list(first.values()), np.int64)
    with progress("comparing images", PARTS * (PART_BITS + 1), "look-ups") as advance:
        return Copies(exact, distinct[near_duplicates(examined.facts[distinct], advance)])


def with_groups(examples: Iterable[Example], copies: Copies) -> list[Example]:
    """Return the examples with `group`: one for all that must not be in several splits.

    These are the user's groups and near-duplicates, and groups that have an image in common are one. It is
    called by the first of the user's names in it, or the smallest hash.
    """
    examples = list(examples)
    readable = [index for index, example in enumerate(examples) if example.is_used]
    ties = [*copies.exact.items(), *copies.near.tolist()]
    by_group = defaultdict(list)
    for index in readable:
        by_group[examples[index].group].append(index)
    ties += [tie for name, members in by_group.items() if name for tie in pairwise(members)]
    names = _group_names(examples, readable, _components(len(examples), ties))
    return [replace(example, group=names.get(index, "")) for index, example in enumerate(examples)]


def near_duplicates(facts: Facts, on_progress: Callable[[int], None] = lambda _: None) -> Ints:
    """Return the pairs of images that look the same, int64 [m, 2], the smaller index first.

    Perceptual hashes find the candidates: there is a table for each quarter of the hash, in which every
    image is looked up with its own quarter and with all that differ from it in one bit. Thumbnails confirm.
    Images of fewer than 16 pixels a side, or without contrast, are not compared.

    Args:
        facts: FACTS [n], no two of the same file.
        on_progress: Called with 1 after each of the 68 look-ups of all images in a table.
    """
    large = np.minimum(facts["width"], facts["height"]) >= THUMBNAIL
    compared = np.flatnonzero(large & has_contrast(facts))
    looks, thumbnails = facts["look"][compared], facts["thumbnail"]
    found = [np.zeros((0, 2), np.int64)]
    for candidates in _candidates(looks, on_progress):
        pairs = compared[candidates]
        found.append(pairs[_same_picture(thumbnails, pairs)])
    return np.unique(np.sort(np.concatenate(found), axis=1), axis=0)


def has_contrast(facts: Facts) -> npt.NDArray[np.bool_]:
    """Return bool [n]: whether there is more to see than one color."""
    starts = range(0, len(facts), BLOCK // 16)
    blocks = [
        facts["thumbnail"][start : start + BLOCK // 16].std(axis=(1, 2)).max(axis=1) for start in starts
    ]
    return np.concatenate([np.zeros(0), *blocks]) >= LEAST_CONTRAST


def _candidates(looks: npt.NDArray[np.uint64], on_progress: Callable[[int], None]) -> Iterator[Ints]:
    """Yield pairs of positions, each once, whose hashes differ in at most LOOK_BITS."""
    quarters = looks.view("<u2").reshape(-1, PARTS).astype(np.int64)
    for part in range(PARTS):
        keys = quarters[:, part]
        order = np.lexsort((looks, keys))  # those next to each other look alike
        starts = np.searchsorted(keys[order], np.arange(2**PART_BITS + 1))
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        for bit in (0, *(1 << number for number in range(PART_BITS))):
            asking = np.flatnonzero(keys & bit == 0)
            begin = starts[keys[asking] ^ bit] if bit else place[asking] + 1
            end = np.minimum(starts[(keys[asking] ^ bit) + 1], begin + CROWD)
            for pairs in _within(order, asking, begin, end):
                yield pairs[_alike(looks, pairs) & _new(quarters[:, :part], pairs)]
            on_progress(1)


def _within(order: Ints, asking: Ints, begin: Ints, end: Ints) -> Iterator[Ints]:
    """Yield pairs of each of `asking` with what lies at its `begin` up to its `end` in `order`."""
    for block in range(0, len(asking), BLOCK):
        some = slice(block, block + BLOCK)
        counts = end[some] - begin[some]
        steps = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        others = order[np.repeat(begin[some], counts) + steps]
        yield np.stack([np.repeat(asking[some], counts), others], axis=1)


def _alike(looks: npt.NDArray[np.uint64], pairs: Ints) -> npt.NDArray[np.bool_]:
    return np.bitwise_count(looks[pairs[:, 0]] ^ looks[pairs[:, 1]]) <= LOOK_BITS


def _new(earlier: Ints, pairs: Ints) -> npt.NDArray[np.bool_]:
    """Return bool [m]: whether none of the tables before, of these quarters [n, tables], has had the pair."""
    return np.all(np.bitwise_count(earlier[pairs[:, 0]] ^ earlier[pairs[:, 1]]) > 1, axis=1)


def _same_picture(thumbnails: npt.NDArray[np.uint8], pairs: Ints) -> npt.NDArray[np.bool_]:
    """Return bool [m]: whether the thumbnails of a pair agree, but for some brightness or contrast."""
    found = [np.zeros(0, bool)]
    for start in range(0, len(pairs), CONFIRMED):
        both = thumbnails[pairs[start : start + CONFIRMED]].astype(np.float32)  # [m, 2, 16, 16, 3]
        colors = both.mean(axis=(2, 3))
        shift = np.abs(colors[:, 0] - colors[:, 1]).max(axis=1)
        pattern = both - colors[:, :, None, None]
        pattern /= np.sqrt((pattern**2).mean(axis=(2, 3, 4), keepdims=True))
        correlation = (pattern[:, 0] * pattern[:, 1]).mean(axis=(1, 2, 3))
        found.append((correlation >= LEAST_CORRELATION) & (shift <= MOST_SHIFT))
    return np.concatenate(found)


def _components(count: int, ties: Iterable[tuple[int, int]]) -> Ints:
    """Return the number of the group that each of `count` images belongs to."""
    ends = np.array(list(ties), np.int64).reshape(-1, 2)
    graph = coo_array((np.ones(len(ends), bool), (ends[:, 0], ends[:, 1])), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


def _group_names(examples: list[Example], readable: list[int], component: Ints) -> dict[int, str]:
    """Return index -> name of its group, for images of groups with several contents or of the user's."""
    members = defaultdict(list)
    for index in readable:
        members[component[index]].append(index)
    names: dict[int, str] = {}
    for group in members.values():
        given = {examples[index].group for index in group} - {""}
        hashes = {examples[index].sha256 for index in group}
        if given or len(hashes) > 1:
            names |= dict.fromkeys(group, min(given) if given else min(hashes))
    return names
