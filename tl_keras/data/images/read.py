"""Reading an image file: its bytes, their hash, and what a decoder makes of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Container
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from tl_keras.data.images.decode import read_bytes
from tl_keras.errors import BadImage

Decoded = TypeVar("Decoded")


@dataclass(frozen=True, slots=True)
class ReadImage(Generic[Decoded]):
    """What was found in an image file.

    Attributes:
        sha256: Hex digest of its bytes; empty if they cannot be read.
        decoded: What the decoder returned; None where the content is known or there is a fault.
        fault: Why the file is no image that can be used, if so.
    """

    sha256: str
    decoded: Decoded | None = None
    fault: BadImage | None = None


def read_image(
    path: Path | str, decoder: Callable[[bytes], Decoded], known: Container[str] = ()
) -> ReadImage[Decoded]:
    """Read, hash and decode an image file; a fault of the file is returned, not raised.

    Args:
        path: The file.
        decoder: Called with its bytes; may raise BadImage.
        known: SHA-256 of contents that need not be decoded.
    """
    digest = ""
    try:
        data = read_bytes(path)
        digest = hashlib.sha256(data).hexdigest()
        return ReadImage(digest, None if digest in known else decoder(data))
    except BadImage as error:
        # A new one: the traceback of this one would keep the file's bytes in memory.
        return ReadImage(digest, fault=BadImage(error.reason, error.detail))
