"""`tlk pretrain`."""

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
    settings,
)


@click.command(short_help="Train a source model of your own, from scratch.")
@click.argument("data", required=False)
@settings(*NETWORK, DATA_DIR, *TRAINING)
@new_run
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
    from tl_keras.config.schema import pretraining_defaults

    chosen = read_settings(config, assignments, named, pretraining_defaults())
    require_data(data, chosen, "pretrain")
    from tl_keras.core.tensorflow_setup import import_tensorflow

    import_tensorflow()
    from tl_keras.workflows.pretrain import pretrain as work

    done = work(data, chosen, name=name, runs_dir=runs_dir, overwrite=overwrite)
    from tl_keras.cli.output.training import print_pretrain

    print_pretrain(done, as_json=as_json)
