"""`tlk pretrain`."""

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
    TRAINING,
    Asked,
    added,
    require_data,
    settings,
)


@click.command(short_help="Train a source model of your own, from scratch.")
@click.argument("data", required=False)
@settings(*NETWORK, DATA_DIR, *TRAINING)
@added(*NEW_RUN)
@JSON
@DEBUG
def pretrain(
    asked: Asked, data: str | None, name: str | None, runs_dir: Path, overwrite: bool, as_json: bool
) -> None:
    """Train a backbone and a head from random weights; tlk fit --weights RUN transfers from it.

    DATA is what tlk fit takes. Stopped by Ctrl-C, a crash or a power cut, the same command resumes from the
    last checkpoint: one per epoch, and one per minute.
    """
    from tl_keras.cli.output.training import print_pretrain

    config = asked.config(tl_keras.pretraining_defaults())
    require_data(data, config, "pretrain")
    made = tl_keras.pretrain(data, config, name=name, runs_dir=runs_dir, overwrite=overwrite)
    print_pretrain(made, as_json=as_json)
