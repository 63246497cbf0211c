"""`tlk unfreeze-and-finetune`."""

from __future__ import annotations

from pathlib import Path

import click

import tl_keras
from tl_keras.cli.options import DEBUG, JSON, RUN, Asked, setting, settings


@click.command(short_help="Second phase: train part of the backbone at a low rate.")
@RUN
@settings(
    setting(
        "--unfreeze", "finetune.unfreeze", "all, none, last:0.3, blocks:2, from:BLOCK, a layer, or a list."
    ),
    setting("--batchnorm", "finetune.batchnorm", "frozen, affine (train gamma and beta) or adapt (AdaBN)."),
    setting("--epochs", "finetune.epochs", "At most this many epochs.", int),
    setting("--batch-size", "finetune.batch_size", "Images per step; auto: what fits into memory."),
    setting(
        "--layer-lr-decay",
        "finetune.layer_lr_decay",
        "Each block learns at so many times the rate above it.",
        float,
    ),
    setting("--learning-rate", "finetune.learning_rate", "Highest rate, after the warm-up.", float),
    setting("--seed", "runtime.seed", "Decides order and dropout.", int),
    setting("--strategy", "runtime.strategy", "auto, none, mirrored or multi_worker."),
)
@click.option("--overwrite", is_flag=True, help="Give up an unfinished fine-tuning with other settings.")
@JSON
@DEBUG
def unfreeze_and_finetune(asked: Asked, run: Path, overwrite: bool, as_json: bool) -> None:
    """Unfreeze part of RUN's backbone and train on at a low learning rate.

    BatchNorm stays in inference mode. The run's model is replaced only when it became better on val.
    Settings are the run's own, then --config, --set and the options here.
    """
    from tl_keras.cli.output.training import print_finetune

    config = asked.config(tl_keras.run_config(run))
    print_finetune(tl_keras.unfreeze_and_finetune(run, config, overwrite=overwrite), as_json=as_json)
