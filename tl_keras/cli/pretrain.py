"""`tlk pretrain`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tl_keras.cli.options import DEBUG, JSON, RUNS_DIR, read_settings, setting, settings


@click.command(short_help="Train a source model of your own, from scratch.")
@click.argument("data", required=False)
@settings(
    setting("--backbone", "model.backbone", "Network to train; see tlk backbones."),
    setting("--backbone-option", "model.options", "Option of the backbone, e.g. alpha=0.35.", multiple=True),
    setting("--image-size", "data.image_size", "Input height and width, pixels.", type=int),
    setting("--data-dir", "data.tfds_dir", "Where TensorFlow Datasets are on disk."),
    setting("--epochs", "train.epochs", "Passes over the training images.", type=int),
    setting("--batch-size", "train.batch_size", "Images per step.", type=int),
    setting("--learning-rate", "train.learning_rate", "Rate after the warm-up.", type=float),
    setting("--seed", "runtime.seed", "Decides splits, weights and order.", type=int),
    setting("--strategy", "runtime.strategy", "auto, none or mirrored."),
    setting("--precision", "runtime.precision", "auto, float32, mixed_float16 or mixed_bfloat16."),
)
@click.option("--name", help="The run's name; made of the data's and the backbone's when left out.")
@RUNS_DIR
@click.option("--overwrite", is_flag=True, help="Replace a run of the same name.")
@JSON
@DEBUG
def pretrain(
    data: str | None,
    config: Path | None,
    assignments: tuple[str, ...],
    name: str | None,
    runs_dir: Path,
    overwrite: bool,
    as_json: bool,
    **named: Any,
) -> None:
    """Train a backbone and a head from random weights; tlk fit --weights RUN transfers from it.

    DATA is what tlk fit takes. Stopped by Ctrl-C, a crash or a power cut, the same command goes on from the
    last checkpoint: one per epoch, and one per minute.
    """
    from tl_keras.config import pretraining_defaults

    chosen = read_settings(config, assignments, named, pretraining_defaults())
    if not (data or chosen.data.source):
        raise click.UsageError(
            "No images given. Name them: tlk pretrain DATA (a folder, a .csv, tfds:NAME, digits)."
        )
    from tl_keras.runtime import import_tensorflow

    import_tensorflow()
    from tl_keras.workflows.pretrain import pretrain as work

    done = work(data, chosen, name=name, runs_dir=runs_dir, overwrite=overwrite)
    from tl_keras.cli.printing import print_pretrain

    print_pretrain(done, as_json=as_json)
