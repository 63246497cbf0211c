"""`tlk lr-find`."""

from __future__ import annotations

from pathlib import Path

import click

import tl_keras
from tl_keras.cli.options import DEBUG, JSON, RUN, Asked, setting, settings


@click.command("lr-find", short_help="Suggest a learning rate for the second phase.")
@RUN
@settings(
    setting("--unfreeze", "finetune.unfreeze", "As for tlk unfreeze-and-finetune."),
    setting("--batchnorm", "finetune.batchnorm", "As for tlk unfreeze-and-finetune."),
    setting("--batch-size", "finetune.batch_size", "Images per step."),
    setting("--seed", "runtime.seed", "Decides order and dropout.", int),
    setting("--strategy", "runtime.strategy", "auto, none or mirrored."),
)
@click.option("--from", "low", type=float, default=1e-7, show_default=True, help="Rate of the first step.")
@click.option("--to", "high", type=float, default=1.0, show_default=True, help="Rate of the last step.")
@click.option("--steps", type=int, default=100, show_default=True, help="At most so many steps.")
@click.option("--output", type=click.Path(path_type=Path), help="Where lr.csv and lr.png go.  [RUN/lr_find]")
@JSON
@DEBUG
def lr_find(
    asked: Asked, run: Path, low: float, high: float, steps: int, output: Path | None, as_json: bool
) -> None:
    """Train RUN's model for a moment at a rising learning rate, and see where the loss is lowest.

    The model is prepared as tlk unfreeze-and-finetune with the same settings would. The run stays as it is;
    the curve goes to RUN/lr_find.
    """
    from tl_keras.cli.output.lr_find import print_lr_find

    config = asked.config(tl_keras.run_config(run))
    found = tl_keras.lr_find(run, config, low=low, high=high, steps=steps, output=output)
    print_lr_find(found, asked.arguments(), as_json=as_json)
