"""ImageNet weights: from Keras's own folder, or downloaded into it; clear words when neither works."""

from __future__ import annotations

import re
import socket
import traceback
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import keras

from tl_keras.errors import ConfigError, ModelError
from tl_keras.models.backbones import BACKBONES

_TIMEOUT = 10.0  # seconds without an answer before a download is given up


def with_imagenet(construct: Callable[..., keras.Model], title: str) -> keras.Model:
    """Return `construct(weights="imagenet")`, with nothing printed.

    Raises:
        ConfigError: Keras has no ImageNet weights for these options.
        ModelError: They cannot be downloaded, or the file in Keras's folder is damaged.
    """
    try:
        with _quiet(), _impatient():
            return construct(weights="imagenet")
    except Exception as error:
        # Which file it was about is not in Keras's exceptions, only in its local variables.
        found = _locals(error)
        if "download_target" in found:
            raise ModelError(_not_downloaded(found, title, error)) from error
        if "weights_path" in found:
            raise ModelError(_damaged(Path(found["weights_path"]), title, error)) from error
        if isinstance(error, ValueError | KeyError):
            raise ConfigError(f"There are no ImageNet weights of {title}: {error}") from error
        raise


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Keras from printing its progress, and from warning that a size has no weights of its own."""
    talks = keras.config.is_interactive_logging_enabled()
    keras.config.disable_interactive_logging()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*`input_shape` is undefined or non-square")
            yield
    finally:
        if talks:
            keras.config.enable_interactive_logging()


@contextmanager
def _impatient() -> Iterator[None]:
    """Let downloads fail soon where there is no way to the internet."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_TIMEOUT)
    urllib.request.install_opener(urllib.request.build_opener(_ProbeFirst))
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
        urllib.request.install_opener(None)


class _ProbeFirst(urllib.request.HTTPSHandler):
    """Tries one address per protocol first: a silent firewall would cost a timeout for each of a dozen."""

    def https_open(self, request: urllib.request.Request) -> HTTPResponse:
        host, _, port = request.host.partition(":")
        found = socket.getaddrinfo(host, int(port or 443), type=socket.SOCK_STREAM)
        one_each = {family: address for family, _, _, _, address in reversed(found)}
        if not any(_answers(family, address) for family, address in one_each.items()):
            raise TimeoutError(f"{host} does not answer")
        return super().https_open(request)


def _answers(family: int, address: Any) -> bool:
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(address) == 0


def _locals(error: Exception) -> dict[str, Any]:
    """Return the local variables of all functions on the way to `error`; inner ones win."""
    found: dict[str, Any] = {}
    for frame, _ in traceback.walk_tb(error.__traceback__):
        found |= frame.f_locals
    return found


def _not_downloaded(found: dict[str, Any], title: str, error: Exception) -> str:
    file = Path(found["download_target"])
    lines = [
        f"The ImageNet weights of {title} are not on this machine, and downloading them failed:",
        f"  {str(error).rpartition(' -- ')[2]}",
        f"Download {found['origin']}",
        f"and save it as {file}",
        "or use --backbone Tiny, whose weights come with tl_keras, --weights PATH of a .weights.h5, .h5 or "
        ".keras file, or --weights none (random).",
    ]
    usable = [usage for other in sorted(file.parent.glob("*.h5")) if (usage := _usage(other.name))]
    if usable:
        lines.append(f"Already there: {'; '.join(usable[:4])}")
    return "\n".join(lines)


def _damaged(file: Path, title: str, error: Exception) -> str:
    return (
        f"The ImageNet weights of {title} are damaged, perhaps a download that was interrupted:\n"
        f"  {str(error).splitlines()[0]}\n"
        f"Delete {file} and try again."
    )


def _usage(file: str) -> str:
    """Return the options that use the weights file of this name, or an empty string."""
    if match := re.fullmatch(r"mobilenet_(\d)_(\d)_(\d+)_tf_no_top\.h5", file):
        tenths, hundredths, size = match.groups()
        alpha = "1.0" if (tenths, hundredths) == ("1", "0") else f"0.{tenths}{hundredths}"
        return f"--backbone MobileNet --backbone-option alpha={alpha} --image-size {size}"
    if match := re.fullmatch(r"mobilenet_v2_\w+_([\d.]+)_(\d+)_no_top\.h5", file):
        alpha, size = match.groups()
        return f"--backbone MobileNetV2 --backbone-option alpha={alpha} --image-size {size}"
    joined = re.sub("[-_]", "", file.lower())
    names = [name for name in BACKBONES if re.fullmatch(rf"{name.lower()}(weights.*)?notop\.h5", joined)]
    return f"--backbone {names[0]}" if names else ""
