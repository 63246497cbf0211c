"""`tlk export`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

import click

import tl_keras
from tl_keras.cli.options import DEBUG, JSON, RUN, require_run

Format = Literal["saved_model", "tflite", "onnx"]
Quantize = Literal["none", "float16", "dynamic", "int8"]


@click.command(short_help="Ship a run as SavedModel, TFLite or ONNX.")
@RUN
@click.option(
    "--format", "form", type=click.Choice(get_args(Format)), required=True,
    help="saved_model for servers, tflite for phones, onnx for other runtimes.",
)  # fmt: skip
@click.option(
    "--quantize", type=click.Choice(get_args(Quantize)), default="none", show_default=True,
    help="For tflite: smaller weights; int8 is calibrated on training images.",
)  # fmt: skip
@click.option("--output", type=click.Path(path_type=Path), help="Where to; else RUN/exports/.")
@JSON
@DEBUG
def export(run: Path, form: Format, quantize: Quantize, output: Path | None, as_json: bool) -> None:
    """Export RUN's model, then run the file on val images and print how far it agrees with the model."""
    from tl_keras.cli.output.export import print_export

    require_run(run)
    print_export(tl_keras.export(run, format=form, quantize=quantize, output=output), as_json=as_json)
