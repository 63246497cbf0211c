"""`tlk fit`."""

from __future__ import annotations

from pathlib import Path

import click

import tl_keras
from tl_keras.cli.options import (
    DATA_DIR,
    DEBUG,
    JSON,
    NETWORK,
    NEW_RUN,
    SPLITTING,
    TRAINING,
    Asked,
    added,
    require_data,
    setting,
    settings,
)


@click.command(short_help="Train a classifier on a folder of labeled images.")
@click.argument("data", required=False)
@settings(
    *NETWORK,
    setting("--weights", "model.weights", "pretrained, none, a run of tlk pretrain, or a weights file."),
    setting("--resize", "data.resize", "squash, crop or pad."),
    setting("--features", "features", "on, or off: whole images in every epoch."),
    setting("--transfer", "transfer", "frozen (train a head), full (all at once) or scratch."),
    setting("--task", "data.task", "multiclass or multilabel."),
    DATA_DIR,
    *SPLITTING,
    *TRAINING,
    setting("--baseline", "baseline", "scratch: compare with training from random weights."),
)
@added(*NEW_RUN)
@click.option(
    "--cross-validate",
    "folds",
    type=click.IntRange(min=2),
    metavar="K",
    help="Fit K times, each tested on another of K parts: runs NAME-1-of-K and so on.",
)
@JSON
@DEBUG
def fit(
    asked: Asked,
    data: str | None,
    name: str | None,
    runs_dir: Path,
    overwrite: bool,
    folds: int | None,
    as_json: bool,
) -> None:
    """Train a classifier on labeled images: a frozen pretrained backbone and a new head.

    DATA is a folder with one folder of images per class (or train/val/test folders of those), a .csv or
    .tsv with columns path,label[,split][,group], tfds:NAME for a TensorFlow dataset, or digits.

    Early stopping looks at val; what is reported comes from test.
    """
    from tl_keras.cli.output.evaluation import print_cross_validation
    from tl_keras.cli.output.training import print_fit

    config = asked.config()
    if config.transfer == "full":  # trained by the settings of finetune
        config = asked.moved("train", "finetune").config()
    require_data(data, config, "fit")
    if folds is None:
        made = tl_keras.fit(data, config, name=name, runs_dir=runs_dir, overwrite=overwrite)
        return print_fit(made, as_json=as_json)
    if {"data.folds", "data.fold"} & set(asked.options):
        raise click.UsageError("--cross-validate fits every fold; --folds and --fold are for one of them.")
    crossed = tl_keras.cross_validate(
        data, config, folds=folds, name=name, runs_dir=runs_dir, overwrite=overwrite
    )
    return print_cross_validation(crossed, as_json=as_json)
