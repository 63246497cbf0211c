"""Claiming a run's name and locking its folder, so that two processes do not write it at once."""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from tl_keras.core.files import recover, remove, write_text
from tl_keras.errors import RunError
from tl_keras.runs.folder import RunFolder


class NameTaken(RunError):
    """A run of that name exists or is being written."""


def claim(stack: ExitStack, runs_dir: Path, name: str, *, exact: bool, overwrite: bool) -> Path:
    """Lock and return the folder of a new run: `name`, else `name-2`, `name-3`, ... when not exact.

    What killed processes left beside it is cleared up.

    Args:
        stack: What holds the lock.
        runs_dir: The folder of all runs.
        name: The wished name.
        exact: Whether the name was the user's; otherwise a number is added when it is taken.
        overwrite: Whether a run of that name may be replaced.

    Raises:
        RunError: The name cannot be a folder's, or nothing can be written there.
        NameTaken: It is taken, and `exact`.
    """
    require_name(name)
    for number in itertools.count(1):
        folder = runs_dir / (name if number == 1 else f"{name}-{number}")
        try:
            with ExitStack() as attempt:
                attempt.enter_context(locked(folder))
                recover(folder)
                _check_free(folder, overwrite=overwrite)
                stack.enter_context(attempt.pop_all())
                break
        except NameTaken:
            if exact:
                raise
    return folder


def require_name(name: str) -> None:
    """Refuse what cannot be the name of a run's folder.

    Raises:
        RunError: It cannot.
    """
    if Path(name).name != name or name.startswith("."):
        raise RunError(f"{name!r} cannot be a run's name: expected a plain folder name, such as flowers-1.")


def _check_free(folder: Path, *, overwrite: bool) -> None:
    if folder.exists() and not overwrite:
        raise NameTaken(f"{folder} exists already. Choose another --name, or replace it with --overwrite.")
    missing = RunFolder(folder).missing_files()
    if folder.exists() and missing:
        raise NameTaken(
            f"{folder} is not a finished run ({', '.join(missing)} missing): --overwrite leaves it alone."
        )


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a run's folder for writing, so that two processes do not change it at once.

    The lock is the operating system's, so it ends with the process, however that ends.

    Raises:
        NameTaken: Another process holds it.
        RunError: Nothing can be written beside it.
    """
    folder = folder.absolute()
    locks = folder.parent / ".locks"
    lock, holder = FileLock(locks / folder.name), locks / f"{folder.name}.holder"
    try:
        locks.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise NameTaken(f"{folder} is being written by {_holder_of(holder)}; wait for it to end.") from None
    except OSError as error:
        raise RunError(f"Cannot write into {folder.parent}: {error.strerror or error}.") from None
    try:
        said = f"process {os.getpid()} on {socket.gethostname()}, since {_now()}"
        write_text(holder, said, durable=False)
        yield
    finally:
        remove(holder)
        lock.release()


def _holder_of(holder: Path) -> str:
    """Return who says to hold a lock; a lock without that has only just been taken."""
    try:
        return holder.read_text(encoding="utf-8")
    except OSError:
        return "another process"


def _now() -> str:
    return datetime.now().isoformat(sep=" ", timespec="seconds")
