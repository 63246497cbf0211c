"""Options that more than one command has."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from tl_keras.config.schema import Config

Decorator = Callable[[Any], Any]

RUN = click.argument("run", type=click.Path(path_type=Path))
JSON = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
RUNS_DIR = click.option(
    "--runs-dir",
    type=click.Path(path_type=Path),
    default=Path("saved_models"),
    show_default=True,
    help="The folder of all runs.",
)


def _show_tracebacks(_context: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted:
        os.environ["TLK_DEBUG"] = "1"


DEBUG = click.option(
    "--debug",
    is_flag=True,
    expose_value=False,
    callback=_show_tracebacks,
    help="Show tracebacks and TensorFlow's own messages.",
)


def setting(flag: str, path: str, help: str, **more: Any) -> Decorator:
    """Return an option that sets one setting; its help names the setting, for `--set` and YAML."""
    return click.option(flag, path.replace(".", "__"), help=f"{help}  [{path}]", **more)


NETWORK = (
    setting("--backbone", "model.backbone", "The network; see tlk backbones."),
    setting("--backbone-option", "model.options", "Option of the backbone, e.g. alpha=0.35.", multiple=True),
    setting("--image-size", "data.image_size", "Input height and width, pixels.", type=int),
)
DATA_DIR = setting("--data-dir", "data.tfds_dir", "Where TensorFlow Datasets are on disk.")
SPLITTING = (
    setting("--split", "data.split", "Shares of train, val and test, percent, e.g. 80/10/10."),
    setting("--folds", "data.folds", "Test is one of so many equal parts.", type=int),
    setting("--fold", "data.fold", "Which of the folds is test, from 1.", type=int),
    setting("--group-by", "data.group_by", "Regular expression: paths that match alike share a split."),
    setting("--limit-per-class", "data.limit_per_class", "Train on at most so many of a class.", type=int),
    setting("--exclude", "data.exclude", "A table of images to leave out, or an edited issues.csv."),
)
TRAINING = (
    setting("--epochs", "train.epochs", "At most this many epochs.", type=int),
    setting("--batch-size", "train.batch_size", "Images per step; auto: what fits into memory."),
    setting("--learning-rate", "train.learning_rate", "Rate at the start, or after a warm-up.", type=float),
    setting("--seed", "runtime.seed", "Decides splits, weights and order.", type=int),
    setting("--strategy", "runtime.strategy", "auto, none, mirrored or multi_worker."),
    setting("--precision", "runtime.precision", "auto, float32, mixed_float16 or mixed_bfloat16."),
)


def new_run(command: Any) -> Any:
    """Add what names the run that a command makes: `--name`, `--runs-dir`, `--overwrite`."""
    named = (
        click.option("--name", help="The run's name; made of the data's and the backbone's when left out."),
        RUNS_DIR,
        click.option("--overwrite", is_flag=True, help="Replace a run of the same name."),
    )
    for option in reversed(named):
        command = option(command)
    return command


def require_data(data: str | None, config: Config, command: str) -> None:
    """Refuse a command line that names no images."""
    if not (data or config.data.source):
        raise click.UsageError(
            f"No images given. Name them: tlk {command} DATA (a folder, a .csv, tfds:NAME, digits)."
        )


def settings(*named: Decorator) -> Decorator:
    """Return a decorator that adds `--config`, `--set` and the `named` options to a command.

    The command gets them as keyword arguments and hands them to `read_settings`.
    """

    def decorate(command: Any) -> Any:
        general = (
            click.option(
                "--config", type=click.Path(path_type=Path), help="A YAML file of settings; see configs/."
            ),
            click.option(
                "--set", "assignments", multiple=True, metavar="PATH=VALUE",
                help="Any setting, e.g. train.epochs=5 or 'head.hidden=[256]'; may be repeated.",
            ),
        )  # fmt: skip
        for option in reversed((*named, *general)):
            command = option(command)
        return command

    return decorate


def read_settings(
    config: Path | None, assignments: tuple[str, ...], named: dict[str, Any], base: Config | None = None
) -> Config:
    """Merge, later over earlier: defaults (or `base`), the file, `--set`, the named options."""
    from tl_keras.config.loading import load_config, parse_assignments

    given = {
        path.replace("__", "."): value for path, value in named.items() if value is not None and value != ()
    }
    options = given.pop("model.options", None)
    if options:
        given |= {f"model.options.{path}": value for path, value in parse_assignments(options).items()}
    return load_config(config, parse_assignments(assignments) | given, base)
