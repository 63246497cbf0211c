"""`tlk lr-find`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tl_keras.cli.options import DEBUG, JSON, RUN, read_settings, setting, settings


@click.command("lr-find", short_help="Suggest a learning rate for the second phase.")
@RUN
@settings(
    setting("--unfreeze", "finetune.unfreeze", "As for tlk unfreeze-and-finetune."),
    setting("--batchnorm", "finetune.batchnorm", "As for tlk unfreeze-and-finetune."),
    setting("--batch-size", "finetune.batch_size", "Images per step."),
    setting("--seed", "runtime.seed", "Decides order and dropout.", type=int),
    setting("--strategy", "runtime.strategy", "auto, none or mirrored."),
)
@click.option("--from", "low", type=float, default=1e-7, show_default=True, help="Rate of the first step.")
@click.option("--to", "high", type=float, default=1.0, show_default=True, help="Rate of the last step.")
@click.option("--steps", type=int, default=100, show_default=True, help="At most so many steps.")
@click.option("--output", type=click.Path(path_type=Path), help="Where lr.csv and lr.png go.  [RUN/lr_find]")
@JSON
@DEBUG
def lr_find(
    run: Path,
    config: Path | None,
    assignments: tuple[str, ...],
    low: float,
    high: float,
    steps: int,
    output: Path | None,
    as_json: bool,
    **named: Any,
) -> None:
    """Train RUN's model for a moment at a rising learning rate, and see where the loss is lowest.

    The model is prepared as tlk unfreeze-and-finetune with the same settings would. The run stays as it is;
    the curve goes to RUN/lr_find.
    """
    from tl_keras.runs.folder import find_run

    chosen = read_settings(config, assignments, named, find_run(run).config())
    from tl_keras.core.tensorflow_setup import import_tensorflow

    import_tensorflow()
    from tl_keras.workflows.lr_find import lr_find as work

    done = work(run, chosen, low=low, high=high, steps=steps, output=output)
    from tl_keras.cli.output.lr_find import print_lr_find

    print_lr_find(done, _finetune(run, config, assignments, named), as_json=as_json)


def _finetune(
    run: Path, config: Path | None, assignments: tuple[str, ...], named: dict[str, Any]
) -> list[str]:
    """Return the command that fine-tunes with the same settings, without a learning rate."""
    file = ["--config", str(config)] if config else []
    given = {path.replace("__", "."): value for path, value in named.items() if value is not None}
    changed = [*assignments, *(f"{path}={value}" for path, value in given.items())]
    return [
        "tlk", "unfreeze-and-finetune", str(run), *file, *(word for one in changed for word in ("--set", one))
    ]  # fmt: skip
