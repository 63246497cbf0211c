"""Words in messages: counts, lists, near misses."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def listed(names: Iterable[str], limit: int = 10) -> str:
    """Return names joined by commas, at most `limit` of them."""
    names = list(names)
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(repr(name) for name in names[:limit]) + more


def counted(number: int, noun: str) -> str:
    """Return `1 image`, `2 images`, `1,000 images`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return ` Did you mean 'x'?` for the choice nearest to `word`, or an empty string."""
    by_lower = {choice.lower(): choice for choice in choices}
    near = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return f" Did you mean {by_lower[near[0]]!r}?" if near else ""
