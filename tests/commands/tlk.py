"""Running `tlk` as a user does: in this process, which is fast, or in one of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


class Tlk:
    """Calls the command line inside the test's process."""

    def __init__(self, monkeypatch, capfd) -> None:
        self._monkeypatch = monkeypatch
        self._capfd = capfd

    def __call__(self, *arguments: object) -> Done:
        from tl_keras.cli.main import run

        self._monkeypatch.setattr(sys, "argv", ["tlk", *map(str, arguments)])
        self._monkeypatch.delenv("TLK_DEBUG", raising=False)
        self._capfd.readouterr()
        try:
            code = run()
        except SystemExit as end:
            code = int(end.code or 0)
        finally:
            os.environ.pop("TLK_DEBUG", None)
        out, err = self._capfd.readouterr()
        return Done(code, out, err)


def heed_interrupts() -> None:
    """Undo, in a child process, what a shell does to its background jobs: ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def tlk_process(*arguments: object, **environment: str) -> Done:
    """Run `tlk` in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "tl_keras", *map(str, arguments)],
        capture_output=True, text=True, cwd=ROOT, env=os.environ | environment, timeout=300,
    )  # fmt: skip
    return Done(done.returncode, done.stdout, done.stderr)
