"""`tlk export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tl_keras.cli.options import DEBUG, JSON, RUN

if TYPE_CHECKING:
    from tl_keras.exporting.destination import Format
    from tl_keras.exporting.tflite import Quantize


@click.command(short_help="Ship a run as SavedModel, TFLite or ONNX.")
@RUN
@click.option(
    "--format", "form", type=click.Choice(["saved_model", "tflite", "onnx"]), required=True,
    help="saved_model for servers, tflite for phones, onnx for other runtimes.",
)  # fmt: skip
@click.option(
    "--quantize", type=click.Choice(["none", "float16", "dynamic", "int8"]), default="none",
    show_default=True, help="For tflite: smaller weights; int8 is calibrated on training images.",
)  # fmt: skip
@click.option("--output", type=click.Path(path_type=Path), help="Where to; else RUN/exports/.")
@JSON
@DEBUG
def export(run: Path, form: Format, quantize: Quantize, output: Path | None, as_json: bool) -> None:
    """Export RUN's model, then run the file on val images and print how far it agrees with the model."""
    from tl_keras.runs.folder import find_run

    find_run(run)
    from tl_keras.core.tensorflow_setup import import_tensorflow

    import_tensorflow()
    from tl_keras.workflows.export import export as work

    done = work(run, format=form, quantize=quantize, output=output)
    from tl_keras.cli.output.export import print_export

    print_export(done, as_json=as_json)
