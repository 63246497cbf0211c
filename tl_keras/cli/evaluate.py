"""`tlk evaluate`."""

from __future__ import annotations

from pathlib import Path

import click

import tl_keras
from tl_keras.cli.options import DEBUG, JSON, RUN, require_run


@click.command(short_help="Measure a run: accuracy with its interval, per class, confusion matrix.")
@RUN
@click.option("--data", help="Other labeled images than the run's own.")
@click.option("--split", type=click.Choice(["train", "val", "test"]), help="Which split to measure.")
@JSON
@DEBUG
def evaluate(run: Path, data: str | None, split: str | None, as_json: bool) -> None:
    """Measure RUN on its test images (or val, where there is no test), or on other labeled images.

    Writes metrics.json and predictions.csv, the surest mistakes first.
    """
    from tl_keras.cli.output.evaluation import print_evaluation

    require_run(run)
    print_evaluation(tl_keras.evaluate(run, data=data, split=split), as_json=as_json)
