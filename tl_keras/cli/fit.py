"""`tlk fit`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tl_keras.cli.options import (
    DATA_DIR,
    DEBUG,
    JSON,
    NETWORK,
    TRAINING,
    new_run,
    read_settings,
    require_data,
    setting,
    settings,
)


@click.command(short_help="Train a classifier on a folder of labelled images.")
@click.argument("data", required=False)
@settings(
    *NETWORK,
    setting("--weights", "model.weights", "pretrained, none, a run of tlk pretrain, or a weights file."),
    setting("--resize", "data.resize", "squash, crop or pad."),
    setting("--features", "features", "on, or off: whole images in every epoch."),
    setting("--task", "data.task", "multiclass or multilabel."),
    DATA_DIR,
    *TRAINING,
    setting("--baseline", "baseline", "scratch: compare with training from random weights."),
)
@new_run
@JSON
@DEBUG
def fit(
    data: str | None,
    config: Path | None,
    assignments: tuple[str, ...],
    name: str | None,
    runs_dir: Path,
    overwrite: bool,
    as_json: bool,
    **named: Any,
) -> None:
    """Train a classifier on labelled images: a frozen pretrained backbone and a new head.

    DATA is a folder with one folder of images per class (or train/val/test folders of those), a .csv or
    .tsv with columns path,label[,split], tfds:NAME for a TensorFlow dataset, or digits.

    Early stopping looks at val; what is reported comes from test.
    """
    chosen = read_settings(config, assignments, named)
    require_data(data, chosen, "fit")
    from tl_keras.runtime import import_tensorflow

    import_tensorflow()
    from tl_keras.workflows.fit import fit as work

    done = work(data, chosen, name=name, runs_dir=runs_dir, overwrite=overwrite)
    from tl_keras.cli.printing import print_fit

    print_fit(done, as_json=as_json)
