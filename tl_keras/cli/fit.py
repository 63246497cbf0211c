"""`tlk fit`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tl_keras.cli.options import (
    DATA_DIR,
    DEBUG,
    JSON,
    NETWORK,
    SPLITTING,
    TRAINING,
    new_run,
    read_settings,
    require_data,
    setting,
    settings,
)

if TYPE_CHECKING:
    from tl_keras.config.schema import Config


@click.command(short_help="Train a classifier on a folder of labelled images.")
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
@new_run
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
    data: str | None,
    config: Path | None,
    assignments: tuple[str, ...],
    name: str | None,
    runs_dir: Path,
    overwrite: bool,
    folds: int | None,
    as_json: bool,
    **named: Any,
) -> None:
    """Train a classifier on labelled images: a frozen pretrained backbone and a new head.

    DATA is a folder with one folder of images per class (or train/val/test folders of those), a .csv or
    .tsv with columns path,label[,split][,group], tfds:NAME for a TensorFlow dataset, or digits.

    Early stopping looks at val; what is reported comes from test.
    """
    chosen = read_settings(config, assignments, named)
    if chosen.transfer == "full":  # trained by the settings of finetune
        named = {path.replace("train__", "finetune__"): value for path, value in named.items()}
        chosen = read_settings(config, assignments, named)
    require_data(data, chosen, "fit")
    if folds and (named["data__folds"] or named["data__fold"]):
        raise click.UsageError("--cross-validate fits every fold; --folds and --fold are for one of them.")
    from tl_keras.core.tensorflow_setup import import_tensorflow

    import_tensorflow()
    where = {"name": name, "runs_dir": runs_dir, "overwrite": overwrite}
    if folds:
        _cross_validate(data, chosen, where, folds, as_json=as_json)
    else:
        _fit(data, chosen, where, as_json=as_json)


def _fit(data: str | None, config: Config, where: dict[str, Any], *, as_json: bool) -> None:
    from tl_keras.cli.output.training import print_fit
    from tl_keras.workflows.fit import fit as work

    print_fit(work(data, config, **where), as_json=as_json)


def _cross_validate(
    data: str | None, config: Config, where: dict[str, Any], folds: int, *, as_json: bool
) -> None:
    from tl_keras.cli.output.evaluation import print_cross_validation
    from tl_keras.workflows.cross_validate import cross_validate

    print_cross_validation(cross_validate(data, config, folds=folds, **where), as_json=as_json)
