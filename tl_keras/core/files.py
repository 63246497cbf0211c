"""Writing files and folders so that nobody sees half of one, and a loss of power leaves none.

What is durable is on the disk before it gets its name, and its name before the call returns. That takes some
milliseconds per file, so what is checked when it is read, or written every few seconds, goes without.
"""

from __future__ import annotations

import errno
import glob
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tl_keras.errors import RunError

CANNOT_SYNC = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP)
"""What file systems answer that have nothing to wait for."""


@contextmanager
def atomic_write(destination: Path, *, durable: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside `destination`; on success it takes the destination's place.

    The caller writes a file or a folder there. On any error it is removed and what was at
    `destination` stays as it was. A file never takes the place of a folder.

    Args:
        destination: The file or folder to be written; folders above it are made.
        durable: Whether it survives a loss of power from then on.

    Raises:
        RunError: The disk is full or read-only, or writing there is not allowed.
    """
    # The name's ending is kept, since Keras and others choose the format by it.
    aside = destination.with_name(f".{uuid.uuid4().hex[:8]}.{destination.name}")
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        yield aside
        replace(aside, destination, durable=durable)
    except OSError as error:
        if not _is_about(error, destination):
            raise
        raise RunError(f"Cannot write {destination}: {error.strerror or error}.") from error
    finally:
        remove(aside)


def _is_about(error: OSError, destination: Path) -> bool:
    """Tell a failure to write here from one of the caller's own, which may have run for hours."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS):
        return True
    return any(str(name).startswith(str(destination.parent)) for name in (error.filename, error.filename2))


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk, where the system can do that."""
    with suppress(OSError):
        _sync(folder)


def sync_tree(path: Path) -> None:
    """Wait until a file, or all of a folder, is on the disk; links are not followed.

    Raises:
        OSError: The disk is full or broken; it names the file.
    """
    for parent, _, names in os.walk(path):
        for file in (Path(parent, name) for name in names):
            if file.is_file() and not file.is_symlink():
                _sync(file)
        sync_folder(Path(parent))
    if path.is_file():
        _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in CANNOT_SYNC:
            raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        os.close(descriptor)


def write_text(destination: Path, text: str, *, durable: bool = True) -> None:
    """Write a UTF-8 text file whole or not at all; newlines are written as they are."""
    with atomic_write(destination, durable=durable) as aside:
        aside.write_text(text, encoding="utf-8", newline="")


def remove_asides(folder: Path) -> None:
    """Remove what killed processes left anywhere in `folder`; call it only while nobody writes there."""
    for left in [*folder.rglob(f".{'[0-9a-f]' * 8}.*")]:
        remove(left)


def recover(destination: Path) -> None:
    """Clear up what killed processes left beside `destination`; call it only while nobody writes there."""
    replaced = _replaced(destination)
    if replaced.exists() and not destination.exists():
        replaced.rename(destination)
    remove(replaced)
    for left in destination.parent.glob(f".{'[0-9a-f]' * 8}.{glob.escape(destination.name)}"):
        remove(left)


def remove(path: Path) -> None:
    """Remove a file or a folder, if it is there and can be removed."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def replace(aside: Path, destination: Path, *, durable: bool = True) -> None:
    """Put a finished file or folder in the place of `destination`, which may exist, on the same disk.

    Args:
        aside: What is finished.
        destination: Where it goes.
        durable: Whether all of it is on the disk before, and its name afterwards.
    """
    if durable:
        sync_tree(aside)
    folder = aside.is_dir()
    if folder and destination.is_dir():
        _replace_folder(aside, destination)
    else:
        os.replace(aside, destination)
    if durable:
        sync_folder(destination.parent)
    if folder:
        remove(_replaced(destination))


def _replace_folder(aside: Path, destination: Path) -> None:
    """Put a folder in another's place, which is kept as `_replaced`.

    A folder cannot be renamed over a folder that has something in it. Should the process be killed between
    the two renames, `recover` puts the old one back.
    """
    old = _replaced(destination)
    remove(old)  # of a process that was killed after the second rename
    destination.rename(old)
    try:
        aside.rename(destination)
    except BaseException:
        old.rename(destination)
        raise


def _replaced(destination: Path) -> Path:
    return destination.with_name(f".{destination.name}.replaced")
