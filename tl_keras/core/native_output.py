"""Keeping the chatter of native libraries, which no log level reaches, off the terminal."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from tl_keras.errors import TlkError


@contextmanager
def suppress_native_output() -> Iterator[None]:
    """Hold back everything written to file descriptors 1 and 2, by Python and by native code.

    It is dropped in the end, but shown on stderr when an error passes that is not ours (a TlkError says
    all that is needed). With TLK_DEBUG set nothing is held back. The whole process is muted meanwhile,
    other threads included: keep it around the noisy call only.
    """
    if os.environ.get("TLK_DEBUG"):
        yield
        return
    with tempfile.TemporaryFile() as held:
        try:
            with _into(held.fileno()):
                yield
        except TlkError:
            raise
        except Exception:
            _show(held.fileno())
            raise


@contextmanager
def _into(sink: int) -> Iterator[None]:
    _flush()
    streams = [(number, os.dup(number)) for number in (1, 2)]
    try:
        for number, _ in streams:
            os.dup2(sink, number)
        yield
    finally:
        _flush()
        for number, original in streams:
            os.dup2(original, number)
            os.close(original)


def _flush() -> None:
    sys.stdout.flush()
    sys.stderr.flush()


def _show(held: int) -> None:
    os.lseek(held, 0, os.SEEK_SET)
    while chunk := os.read(held, 1 << 16):
        os.write(2, chunk)
