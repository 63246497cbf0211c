"""`tlk fit`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tl_keras.cli.options import DEBUG, JSON, RUNS_DIR, read_settings, setting, settings


@click.command(short_help="Train a classifier on a folder of labelled images.")
@click.argument("data", required=False)
@settings(
    setting("--backbone", "model.backbone", "Pretrained network; see tlk backbones."),
    setting("--backbone-option", "model.options", "Option of the backbone, e.g. alpha=0.35.", multiple=True),
    setting("--weights", "model.weights", "pretrained, none, a run of tlk pretrain, or a weights file."),
    setting("--image-size", "data.image_size", "Input height and width, pixels.", type=int),
    setting("--resize", "data.resize", "squash, crop or pad."),
    setting("--task", "data.task", "multiclass or multilabel."),
    setting("--data-dir", "data.tfds_dir", "Where TensorFlow Datasets are on disk."),
    setting("--epochs", "train.epochs", "At most this many epochs.", type=int),
    setting("--batch-size", "train.batch_size", "Images per step.", type=int),
    setting("--learning-rate", "train.learning_rate", "Rate at the start.", type=float),
    setting("--baseline", "baseline", "scratch: compare with training from random weights."),
    setting("--seed", "runtime.seed", "Decides splits, weights and order.", type=int),
    setting("--strategy", "runtime.strategy", "auto, none or mirrored."),
    setting("--precision", "runtime.precision", "auto, float32, mixed_float16 or mixed_bfloat16."),
)
@click.option("--name", help="The run's name; made of the data's and the backbone's when left out.")
@RUNS_DIR
@click.option("--overwrite", is_flag=True, help="Replace a run of the same name.")
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
    if not (data or chosen.data.source):
        raise click.UsageError(
            "No images given. Name them: tlk fit DATA (a folder, a .csv, tfds:NAME, digits)."
        )
    from tl_keras.runtime import import_tensorflow

    import_tensorflow()
    from tl_keras.workflows.fit import fit as work

    done = work(data, chosen, name=name, runs_dir=runs_dir, overwrite=overwrite)
    from tl_keras.cli.printing import print_fit

    print_fit(done, as_json=as_json)
