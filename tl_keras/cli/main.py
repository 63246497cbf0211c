"""The `tlk` command: turns errors into a message and an exit code."""

from __future__ import annotations

import logging
import os
import signal
import sys
import traceback
from typing import NoReturn

import click

from tl_keras.cli.backbones import backbones
from tl_keras.cli.cache import cache
from tl_keras.cli.evaluate import evaluate
from tl_keras.cli.export import export
from tl_keras.cli.fit import fit
from tl_keras.cli.inspect import inspect
from tl_keras.cli.lr_find import lr_find
from tl_keras.cli.options import DEBUG
from tl_keras.cli.predict import predict
from tl_keras.cli.pretrain import pretrain
from tl_keras.cli.resume import resume
from tl_keras.cli.runs import runs
from tl_keras.cli.unfreeze_and_finetune import unfreeze_and_finetune
from tl_keras.core.tensorflow_setup import silence_tensorflow
from tl_keras.errors import Terminated, TlkError
from tl_keras.version import __version__

FAILED, USAGE, INTERRUPTED, TERMINATED = 1, 2, 130, 143


class InOrder(click.Group):
    """Lists its commands in the order of the work, not of the alphabet."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(self.commands)


@click.group(cls=InOrder, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="tlk")
@DEBUG
def tlk() -> None:
    """Transfer learning for image classification.

    \b
    tlk inspect photos/                              what is wrong with it?
    tlk fit photos/                                  a folder with one folder of images per class
    tlk unfreeze-and-finetune saved_models/RUN       a second phase at a low learning rate
    tlk predict saved_models/RUN new_photos/
    tlk export saved_models/RUN --format tflite
    """


for command in (
    inspect,
    fit,
    lr_find,
    unfreeze_and_finetune,
    resume,
    evaluate,
    predict,
    export,
    pretrain,
    runs,
    cache,
    backbones,
):
    tlk.add_command(command)


def main() -> NoReturn:
    """Run the command line and exit."""
    # A shell may have closed them: tlk ... >&-
    sys.stdout, sys.stderr = (stream or open(os.devnull, "w") for stream in (sys.stdout, sys.stderr))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        # File names may hold bytes that are no text: show them escaped rather than stop.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    signal.signal(signal.SIGTERM, _terminate)
    silence_tensorflow()
    _set_up_pictures()
    sys.exit(run())


def _terminate(*_: object) -> NoReturn:
    raise Terminated


def _set_up_pictures() -> None:
    """Set what Pillow and matplotlib have one of per process: how large a WebP may be, and who may log."""
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = 200_000_000  # MAX_PIXELS of data/images/decode.py, which would import NumPy
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # it says that it looks for fonts


def run() -> int:
    """Run the command line and return the exit code, 0 to 255."""
    from tl_keras.core.console import fail

    try:
        return tlk.main(prog_name="tlk", standalone_mode=False) or 0
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort) as stop:
        # click makes an Abort of Ctrl-C; a training that can be resumed says so in the exception.
        cause = stop.__cause__ or stop
        fail(str(cause) or "Interrupted; nothing half-written was left.")
        return TERMINATED if isinstance(cause, Terminated) else INTERRUPTED
    except BrokenPipeError:
        # The reader of a pipe has seen enough; keep Python from complaining at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except Exception as error:
        if "TLK_DEBUG" in os.environ:
            traceback.print_exc()
        fail(_explain(error))
        return FAILED


def _explain(error: Exception) -> str:
    if isinstance(error, TlkError):
        return str(error)
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        return "Out of memory. Try --batch-size auto, a smaller --image-size or a smaller --backbone."
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}."
    reason = (str(error).splitlines() or [""])[0]
    return (
        f"{type(error).__name__}: {reason}\n"
        "This should not happen. Run it again with --debug and report what it shows."
    )
