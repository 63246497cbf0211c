"""`tlk evaluate`."""

from __future__ import annotations

from pathlib import Path

import click

from tl_keras.cli.options import DEBUG, JSON, RUN


@click.command(short_help="Measure a run: accuracy with its interval, per class, confusion matrix.")
@RUN
@click.option("--data", help="Other labelled images than the run's own.")
@click.option("--split", type=click.Choice(["train", "val", "test"]), help="Which split to measure.")
@JSON
@DEBUG
def evaluate(run: Path, data: str | None, split: str | None, as_json: bool) -> None:
    """Measure RUN on its test images (or val, where there is no test), or on other labelled images.

    Writes metrics.json and predictions.csv, the surest mistakes first.
    """
    from tl_keras.runs.folder import find_run

    find_run(run)
    from tl_keras.core.tensorflow_setup import import_tensorflow

    import_tensorflow()
    from tl_keras.workflows.evaluate import evaluate as work

    done = work(run, data=data, split=split)
    from tl_keras.cli.output.evaluation import print_evaluation

    print_evaluation(done, as_json=as_json)
