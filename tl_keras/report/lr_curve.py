"""The curve of the learning-rate range test, as a picture and as text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font

from tl_keras.core.files import atomic_write

INCHES, DOTS_PER_INCH = (8, 4.5), 120
LOSS_INK, SMOOTHED_INK, SUGGESTED_INK = "#9db4c8", "#1f4e79", "#c0392b"
WIDTH, HEIGHT, LABEL = 60, 12, 9
"""Characters: of the curve as text, and of the numbers left of it."""


def save_lr_curve(
    file: Path,
    title: str,
    rates: Sequence[float],
    losses: Sequence[float],
    smoothed: Sequence[float],
    suggested: float | None,
) -> None:
    """Draw losses and smoothed losses over the logarithm of the rate as PNG, and mark the suggested rate.

    Raises:
        RunError: The file cannot be written.
    """
    figure = Figure(INCHES, DOTS_PER_INCH, layout="constrained")
    axes = figure.subplots()
    axes.plot(rates, losses, ".", color=LOSS_INK, markersize=5, label="single steps")
    axes.plot(
        rates, smoothed, color=SMOOTHED_INK, linewidth=2, label="smoothed, as if batches were equally hard"
    )
    if suggested is not None:
        axes.axvline(
            suggested, color=SUGGESTED_INK, linewidth=1.2, linestyle="--", label=f"suggested: {suggested:.2g}"
        )
    axes.set_xscale("log")
    low, high = _shown(smoothed)
    axes.set_ylim(low - 0.5 * (high - low), high + 0.5 * (high - low))
    axes.set_xlabel("learning rate")
    axes.set_ylabel("training loss")
    axes.set_title(drawable(title), parse_math=False)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.3)
    axes.legend(framealpha=0.9, edgecolor="none", loc="upper left")
    with atomic_write(file) as aside:
        figure.savefig(aside, format="png")


def drawable(text: str) -> str:
    """Return text with the signs escaped that the font has not; it would draw boxes."""
    font = get_font(findfont(FontProperties()))
    return "".join(
        sign if font.get_char_index(ord(sign)) else sign.encode("unicode_escape").decode() for sign in text
    )


def text_curve(rates: Sequence[float], smoothed: Sequence[float], suggested: float | None) -> list[str]:
    """Return the smoothed losses over the logarithm of the rate as lines of ASCII, `|` at the suggestion.

    Args:
        rates: Rising.
        smoothed: As many smoothed losses.
        suggested: The suggested rate, if there is one.
    """
    low, high = _shown(smoothed)
    across = np.linspace(np.log(rates[0]), np.log(rates[-1]), WIDTH)
    losses = np.clip(np.interp(across, np.log(rates), smoothed), low, high)
    rows = np.rint((high - losses) / (high - low) * (HEIGHT - 1)).astype(int)
    cells = np.full((HEIGHT, WIDTH), " ")
    if suggested is not None and rates[0] <= suggested <= rates[-1]:
        cells[:, np.argmin(np.abs(across - np.log(suggested)))] = "|"
    cells[rows, np.arange(WIDTH)] = "*"
    numbers = [f"{high:.3g}", *[""] * (HEIGHT - 2), f"{low:.3g}"]
    return [
        *(f"{n:>{LABEL}} |{''.join(row)}".rstrip() for n, row in zip(numbers, cells, strict=True)),
        f"{'':{LABEL}} +{'-' * WIDTH}",
        f"{'':{LABEL}}  {rates[0]:<{WIDTH // 2}.1e}{rates[-1]:>{WIDTH // 2}.1e}",
        f"{'':{LABEL}}  {'smoothed training loss over learning rate':^{WIDTH}}".rstrip(),
    ]


def _shown(smoothed: Sequence[float]) -> tuple[float, float]:
    """Return the lowest and highest loss to show: not all of the explosion, which would flatten a dip."""
    lowest, highest = min(smoothed), max(smoothed)
    top = min(highest, max(2 * smoothed[0] - lowest, 1.5 * lowest))
    return lowest, max(top, 1.1 * lowest)
