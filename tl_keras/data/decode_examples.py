"""Opening images over all cores, in order, a little ahead of whoever uses them."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator

from tl_keras.core.geometry import Geometry
from tl_keras.core.types import Pixels
from tl_keras.data.example import Example
from tl_keras.data.images.decode import decode
from tl_keras.data.images.parallel import decoded_bytes, in_threads
from tl_keras.data.images.read import read_image


def check(
    examples: Iterable[Example], geometry: Geometry, on_progress: Callable[[int], None] | None = None
) -> list[Example]:
    """Read and decode every image.

    Args:
        examples: As a source lists them.
        geometry: The model's input, as images will be decoded for it.
        on_progress: Called with the number of images done since the last call, in the caller's thread.

    Returns:
        The examples in the same order with `sha256` (empty if the file cannot be read) and `skipped`.
    """
    checked = []
    for example, _ in decode_examples(examples, geometry):
        checked.append(example)
        if on_progress:
            on_progress(1)
    return checked


def decode_examples(
    examples: Iterable[Example], geometry: Geometry, known: Container[str] = ()
) -> Iterator[tuple[Example, Pixels | None]]:
    """Yield every example with `sha256` and `skipped`, and its pixels, uint8 [H, W, 3].

    Args:
        examples: In the order in which they are yielded.
        geometry: The model's input size.
        known: SHA-256 of contents that need not be decoded; these come without pixels, as broken images do.
    """
    return in_threads(lambda example: _open(example, geometry, known), examples, decoded_bytes(geometry))


def _open(example: Example, geometry: Geometry, known: Container[str]) -> tuple[Example, Pixels | None]:
    found = read_image(example.path, lambda data: decode(data, geometry), known)
    return example.as_read(found.sha256, found.fault), found.decoded
