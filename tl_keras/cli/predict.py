"""`tlk predict`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from tl_keras.cli.options import DEBUG


@click.command(short_help="Classify images with a run or any exported model.")
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("images", nargs=-1, required=True)
@click.option("--top", default=5, show_default=True, type=click.IntRange(min=1), help="Classes per image.")
@click.option("--json", "form", flag_value="json", help="Print one JSON object per image.")
@click.option("--csv", "form", flag_value="csv", help="Print CSV.")
@DEBUG
def predict(model: Path, images: tuple[str, ...], top: int, form: str | None) -> None:
    """Classify IMAGES with MODEL.

    MODEL is a run, a .keras, a SavedModel folder, a .tflite or an .onnx. IMAGES are files, folders, globs,
    or - to read paths from stdin. An image that cannot be read is a row with an error; the others go on,
    and the exit code is 1.
    """
    from tl_keras.cli.output.predictions import print_predictions
    from tl_keras.workflows.predict import predict as work

    given = (line.rstrip("\n") for line in sys.stdin) if images == ("-",) else images
    failed = print_predictions(work(model, (image for image in given if image), top=top), form or "table")
    if failed:
        sys.exit(1)
