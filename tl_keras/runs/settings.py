"""The settings that a run is made with: paths, transfer mode, exclusions, name."""

from __future__ import annotations

import re
from pathlib import Path

from tl_keras.config.schema import FULL_DEFAULTS, Config
from tl_keras.core.files import write_text
from tl_keras.data.listing import absolute
from tl_keras.data.sources.exclude import effective_table
from tl_keras.data.sources.read import TFDS_PREFIX
from tl_keras.errors import ConfigError
from tl_keras.models.backbones import find
from tl_keras.models.source_model import KEYWORDS
from tl_keras.runs.folder import RunFolder


def with_transfer(config: Config) -> Config:
    """Return the settings for training from scratch, or all in one step, if that is asked for."""
    if config.transfer == "full":
        free = {
            name: value for name, value in FULL_DEFAULTS.items() if not config.asks_for(f"finetune.{name}")
        }
        return config.model_copy(update={"finetune": config.finetune.model_copy(update=free)})
    if config.transfer == "frozen":
        return config
    if config.model.weights not in ("pretrained", "none"):
        raise ConfigError(
            f"transfer: scratch starts from random weights, and model.weights is {config.model.weights!r}: "
            "leave one of them out."
        )
    return config.model_copy(update={"model": config.model.model_copy(update={"weights": "none"})})


def with_absolute_paths(config: Config, data: str | Path | None) -> Config:
    """Return the settings with `data` as source, absolute paths and the backbone's own spelling of its name.

    So the saved config works from anywhere.
    """
    source = str(data) if data is not None else config.data.source
    if source and not source.startswith(TFDS_PREFIX) and source != "digits":
        source = str(absolute(source))
    tfds_dir = config.data.tfds_dir and str(absolute(config.data.tfds_dir))
    exclude = config.data.exclude and str(absolute(config.data.exclude))
    backbone, weights = find(config.model.backbone).name, config.model.weights
    if weights not in KEYWORDS:
        weights = str(absolute(weights))
    return config.model_copy(
        update={
            "data": config.data.model_copy(
                update={"source": source, "tfds_dir": tfds_dir, "exclude": exclude}
            ),
            "model": config.model.model_copy(update={"backbone": backbone, "weights": weights}),
        }
    )


def with_kept_exclusions(config: Config, run: RunFolder, final: Path) -> Config:
    """Return the settings with a copy of `data.exclude` in the run: the user will go on editing the table.

    Args:
        config: With absolute paths.
        run: What is being written.
        final: Where it will be.
    """
    if not config.data.exclude:
        return config
    table = effective_table(Path(config.data.exclude), multilabel=config.data.task == "multilabel")
    write_text(run.exclude_file, table)
    kept = str((final / run.exclude_file.name).absolute())
    return config.model_copy(update={"data": config.data.model_copy(update={"exclude": kept})})


def run_name(config: Config) -> str:
    """Return a name made of the data's and the backbone's, for runs that the user did not name."""
    return f"{_plain(Path(str(config.data.source)).name)}-{_plain(config.model.backbone)}"


def _plain(name: str) -> str:
    """Return a name that is safe for a folder; letters of any script are kept."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-.").lower() or "run"
