"""Options that more than one command has."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import tl_keras

if TYPE_CHECKING:
    from tl_keras import Config

Decorator = Callable[[Any], Any]
EMPTY = (None, ())
"""What an option is that was not given."""

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


@dataclass
class Asked:
    """The settings that a command line names.

    Attributes:
        file: The YAML file of `--config`.
        assignments: What `--set` was given, PATH=VALUE.
        options: Setting, as a dotted path -> value of its own option.
    """

    file: Path | None = None
    assignments: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)

    def config(self, base: Config | None = None) -> Config:
        """Merge, later over earlier: defaults (or `base`), the file, `--set`, the options."""
        from tl_keras.config.loading import parse_assignments

        options = dict(self.options)
        of_backbone = parse_assignments(options.pop("model.options", ()))
        options |= {f"model.options.{name}": value for name, value in of_backbone.items()}
        return tl_keras.load_config(self.file, parse_assignments(self.assignments) | options, base)

    def moved(self, section: str, other: str) -> Asked:
        """Return the same with the options of one section setting another."""
        beginning = re.compile(rf"^{section}\.")
        options = {beginning.sub(f"{other}.", path): value for path, value in self.options.items()}
        return replace(self, options=options)

    def arguments(self) -> list[str]:
        """Return the same as `--config` and `--set`, which every command with settings has."""
        file = ["--config", str(self.file)] if self.file else []
        given = [*self.assignments, *(f"{path}={value}" for path, value in self.options.items())]
        return [*file, *(word for assignment in given for word in ("--set", assignment))]


asked_settings = click.make_pass_decorator(Asked, ensure=True)
"""Hands a command what its options of settings were given, as its first argument."""


def _asked(context: click.Context) -> Asked:
    return context.ensure_object(Asked)


def _note_file(context: click.Context, _option: click.Parameter, value: Path | None) -> None:
    _asked(context).file = value


def _note_assignments(context: click.Context, _option: click.Parameter, value: tuple[str, ...]) -> None:
    _asked(context).assignments = value


def setting(
    flag: str, path: str, help: str, type: type | None = None, *, multiple: bool = False
) -> Decorator:
    """Return an option that sets one setting; its help names the setting, for `--set` and YAML."""

    def note(context: click.Context, _option: click.Parameter, value: Any) -> None:
        if value not in EMPTY:
            _asked(context).options[path] = value

    name = path.replace(".", "__")  # --folds and --cross-validate would else share `folds`
    return click.option(
        flag, name, type=type, multiple=multiple, help=f"{help}  [{path}]", expose_value=False, callback=note
    )  # fmt: skip


CONFIG = click.option(
    "--config", type=click.Path(path_type=Path), help="A YAML file of settings; see configs/.",
    expose_value=False, callback=_note_file,
)  # fmt: skip
SET = click.option(
    "--set", "assignments", multiple=True, metavar="PATH=VALUE",
    help="Any setting, e.g. head.dropout=0.3; may be repeated.",
    expose_value=False, callback=_note_assignments,
)  # fmt: skip
BACKBONE_OPTION = setting(
    "--backbone-option", "model.options", "Option of the backbone, e.g. alpha=0.35.", multiple=True
)
IMAGE_SIZE = setting("--image-size", "data.image_size", "Input height and width, pixels.", int)
NETWORK = (
    setting("--backbone", "model.backbone", "The network; see tlk backbones."),
    BACKBONE_OPTION,
    IMAGE_SIZE,
)
DATA_DIR = setting("--data-dir", "data.tfds_dir", "Where TensorFlow Datasets are on disk.")
SPLITTING = (
    setting("--split", "data.split", "Shares of train, val and test, percent, e.g. 80/10/10."),
    setting("--folds", "data.folds", "Test is one of so many equal parts.", int),
    setting("--fold", "data.fold", "Which of the folds is test, from 1.", int),
    setting("--group-by", "data.group_by", "Regular expression: paths that match alike share a split."),
    setting("--limit-per-class", "data.limit_per_class", "Train on at most so many of a class.", int),
    setting("--exclude", "data.exclude", "A table of images to leave out, or an edited issues.csv."),
)
TRAINING = (
    setting("--epochs", "train.epochs", "At most this many epochs.", int),
    setting("--batch-size", "train.batch_size", "Images per step; auto: what fits into memory."),
    setting("--learning-rate", "train.learning_rate", "Rate at the start, or after a warm-up.", float),
    setting("--seed", "runtime.seed", "Decides splits, weights and order.", int),
    setting("--strategy", "runtime.strategy", "auto, none, mirrored or multi_worker."),
    setting("--precision", "runtime.precision", "auto, float32, mixed_float16 or mixed_bfloat16."),
)
NEW_RUN = (
    click.option("--name", help="The run's name; made of the data's and the backbone's when left out."),
    RUNS_DIR,
    click.option("--overwrite", is_flag=True, help="Replace a run of the same name."),
)


def settings(*options: Decorator) -> Decorator:
    """Return a decorator that adds `options`, `--config` and `--set` to a command and hands it `Asked`."""
    return added(*options, CONFIG, SET, asked_settings)


def added(*options: Decorator) -> Decorator:
    """Return a decorator that adds several options to a command, in this order."""

    def decorate(command: Any) -> Any:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def require_data(data: str | None, config: Config, command: str) -> None:
    """Refuse a command line that names no images."""
    if not (data or config.data.source):
        raise click.UsageError(
            f"No images given. Name them: tlk {command} DATA (a folder, a .csv, tfds:NAME, digits)."
        )


def require_run(run: Path) -> None:
    """Refuse what is no finished run at once: TensorFlow takes seconds to load."""
    tl_keras.run_config(run)
