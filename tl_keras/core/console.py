"""Everything that is printed: results on stdout, all else on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rich.console import Console

PLAIN_LINE_SECONDS, BAR_SECONDS = 10.0, 0.1

_verbosity = 1
_muted_worker = False


@cache
def _console(*, stderr: bool) -> Console:
    from rich.console import Console

    # Piped output is for programs and logs: never fold it at a made-up terminal width.
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else 10_000
    return Console(stderr=stderr, highlight=False, emoji=False, soft_wrap=True, width=width)


def escape_control(text: str, keep: str = "") -> str:
    """Return text with control characters escaped: names of files may hold any, and terminals obey them."""
    return "".join(
        sign if sign in keep or sign.isprintable() or ord(sign) >= 0xA0 else repr(sign)[1:-1] for sign in text
    )


def set_verbosity(level: Literal[0, 1]) -> None:
    """Set how much is told on stderr: 1, progress and notes; 0, nothing but errors."""
    global _verbosity
    if level not in (0, 1):
        raise ValueError(f"Expected a verbosity of 0 or 1; found {level!r}.")
    _verbosity = level


def mute_worker(muted: bool) -> None:
    """Print nothing but errors while this process is a worker whose chief says the same."""
    global _muted_worker
    _muted_worker = muted


def _quiet() -> bool:
    return _muted_worker or _verbosity == 0


def say(text: str = "") -> None:
    """Print a remark about progress to stderr."""
    if _quiet():
        return
    _console(stderr=True).print(escape_control(text, keep="\n"), markup=False)


def warn(text: str) -> None:
    """Print something the user should not overlook to stderr."""
    if _quiet():
        return
    console = _console(stderr=True)
    console.print("Note: ", style="yellow", end="")
    console.print(escape_control(text, keep="\n"), markup=False)


def fail(text: str) -> None:
    """Print why a command did not do what was asked to stderr."""
    console = _console(stderr=True)
    console.print("Error: ", style="bold red", end="")
    console.print(escape_control(text, keep="\n"), markup=False)


def result(text: str) -> None:
    """Print a line of the result to stdout, exactly as it is."""
    if _muted_worker:
        return
    sys.stdout.write(text + "\n")


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, title: str = "") -> None:
    """Print a table to stdout; columns whose cells are all numbers are set to the right."""
    if _muted_worker:
        return
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    sheet = Table(box=SIMPLE_HEAD, title=Text(title) if title else None, title_justify="left", pad_edge=False)
    for index, column in enumerate(columns):
        numeric = bool(rows) and all(_is_number(row[index]) for row in rows)
        sheet.add_column(Text(column), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        sheet.add_row(*(Text(escape_control(cell)) for cell in row))
    _console(stderr=False).print(sheet, soft_wrap=False)


@contextmanager
def progress(description: str, total: int | None, unit: str = "images") -> Iterator[Callable[[int], None]]:
    """Show how far a job is, how fast, and how long it will take: a bar, or plain lines off a terminal.

    Args:
        description: What is done.
        total: Number of units, or None while it is unknown.
        unit: What is counted.

    Yields:
        A function to call with the number of units done since the last call.
    """
    if _quiet():
        yield lambda _: None
        return
    console = _console(stderr=True)
    show = _bar if console.is_terminal else _plain_lines
    with show(console, description, total, unit) as advance:
        yield advance


@contextmanager
def _bar(console: Console, description: str, total: int | None, unit: str) -> Iterator[Callable[[int], None]]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(f"{unit}, {{task.fields[rate]}}"),
        TimeRemainingColumn(compact=True),
    )
    with Progress(*columns, console=console, transient=True) as bars:
        task = bars.add_task(description, total=total, rate="")
        done, started = 0, time.monotonic()
        shown = started

        def advance(step: int) -> None:
            nonlocal done, shown
            done += step
            now = time.monotonic()
            if now - shown >= BAR_SECONDS:  # a change of the bar takes longer than a small image
                shown, rate = now, done / (now - started)
                bars.update(task, completed=done, rate=f"{rate:.0f}/s" if rate >= 10 else f"{rate:.1f}/s")

        yield advance


@contextmanager
def _plain_lines(
    _console: Console, description: str, total: int | None, unit: str
) -> Iterator[Callable[[int], None]]:
    done, started = 0, time.monotonic()
    said = started

    def advance(step: int) -> None:
        nonlocal done, said
        done += step
        now = time.monotonic()
        if done and now - said >= PLAIN_LINE_SECONDS:
            said = now
            rate = done / (now - started)
            left = f" of {total} {unit}, {rate:.1f}/s, {(total - done) / rate:.0f} s left" if total else ""
            say(f"{description}: {done}{left or f' {unit}, {rate:.1f}/s'}")

    yield advance


def _is_number(cell: str) -> bool:
    try:
        float(cell.rstrip("%").replace(",", "") or "0")
    except ValueError:
        return False
    return True
