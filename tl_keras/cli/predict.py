"""`tlk predict`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

import click

import tl_keras
from tl_keras.cli.options import DEBUG


@click.command(short_help="Classify images with a run or any exported model.")
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("images", nargs=-1, required=True)
@click.option("--top", default=5, show_default=True, type=click.IntRange(min=1), help="Classes per image.")
@click.option("--json", "form", flag_value="json", help="Print one JSON object per image.")
@click.option("--csv", "form", flag_value="csv", help="Print CSV.")
@DEBUG
def predict(model: Path, images: tuple[str, ...], top: int, form: Literal["json", "csv"] | None) -> None:
    """Classify IMAGES with MODEL.

    MODEL is a run, a .keras, a SavedModel folder, a .tflite or an .onnx. IMAGES are files, folders, globs,
    or - to read paths from stdin. An image that cannot be read is a row with an error; the rest are
    classified, and the exit code is 1.
    """
    from tl_keras.cli.output.predictions import print_predictions

    given = (line.rstrip("\n") for line in sys.stdin) if images == ("-",) else images
    answers = tl_keras.predict(model, (image for image in given if image), top=top)
    if print_predictions(answers, form or "table"):
        sys.exit(1)
