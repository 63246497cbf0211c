"""`tlk unfreeze-and-finetune`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tl_keras.cli.options import DEBUG, JSON, RUN, read_settings, setting, settings


@click.command(short_help="Second phase: train part of the backbone at a low rate.")
@RUN
@settings(
    setting(
        "--unfreeze", "finetune.unfreeze", "all, none, last:0.3, blocks:2, from:BLOCK, a layer, or a list."
    ),
    setting("--batchnorm", "finetune.batchnorm", "frozen, affine (train gamma and beta) or adapt (AdaBN)."),
    setting("--epochs", "finetune.epochs", "At most this many epochs.", type=int),
    setting("--batch-size", "finetune.batch_size", "Images per step; auto: what fits into memory."),
    setting(
        "--layer-lr-decay",
        "finetune.layer_lr_decay",
        "Each block learns at so many times the rate above it.",
        type=float,
    ),
    setting("--learning-rate", "finetune.learning_rate", "Rate at the start.", type=float),
    setting("--seed", "runtime.seed", "Decides order and dropout.", type=int),
    setting("--strategy", "runtime.strategy", "auto, none, mirrored or multi_worker."),
)
@click.option("--overwrite", is_flag=True, help="Give up an unfinished fine-tuning with other settings.")
@JSON
@DEBUG
def unfreeze_and_finetune(
    run: Path, config: Path | None, assignments: tuple[str, ...], overwrite: bool, as_json: bool, **named: Any
) -> None:
    """Unfreeze part of RUN's backbone and train on at a low learning rate.

    BatchNorm stays in inference mode. The run's model is replaced only when it became better on val.
    Settings are the run's own, then --config, --set and the options here.
    """
    from tl_keras.runs.folder import find_run

    chosen = read_settings(config, assignments, named, find_run(run).config())
    from tl_keras.core.tensorflow_setup import import_tensorflow

    import_tensorflow()
    from tl_keras.workflows.unfreeze_and_finetune import unfreeze_and_finetune as work

    done = work(run, chosen, overwrite=overwrite)
    from tl_keras.cli.output.training import print_finetune

    print_finetune(done, as_json=as_json)
