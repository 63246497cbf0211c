"""Settings as they were asked for -> settings as a run has them: once, at the door of each verb."""

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
from tl_keras.models.source_model import KEYWORDS, with_source
from tl_keras.runs.folder import RunFolder


def resolve(config: Config, data: str | Path | None) -> Config:
    """Return the settings that `fit` works by: source model, transfer mode, absolute paths.

    Args:
        config: As asked for.
        data: Where the images are; instead of `config.data.source`.

    Raises:
        ConfigError: Settings contradict each other or the source model.
        ModelError: The source model is none, or damaged.
    """
    config = _with_absolute_paths(_with_transfer(with_source(config)), data)
    on_features = config.stores_features and config.transfer == "frozen"
    if config.head and config.head.standardize and not on_features:
        raise ConfigError(
            "head.standardize needs stored features: features: on, transfer: frozen, and no MixUp or CutMix."
        )
    return config


def resolve_pretraining(config: Config, data: str | Path | None) -> Config:
    """Return the settings that `pretrain` works by.

    Raises:
        ConfigError: They start from weights that are not random.
    """
    config = _with_absolute_paths(config, data)
    if config.model.weights != "none":
        raise ConfigError(
            "pretrain starts from random weights: expected model.weights none, found "
            f"{config.model.weights!r}.\nTo start from pretrained ones use: tlk fit (in Python: settings for "
            "pretrain start from `pretraining_defaults()`)"
        )
    return config


def with_own_exclusions(config: Config, destination: Path) -> Config:
    """Return the settings with the run's own copy of `data.exclude`, which `copy_exclusions` writes."""
    if not config.data.exclude:
        return config
    own = str(RunFolder(destination).exclude_file.absolute())
    return config.model_copy(update={"data": config.data.model_copy(update={"exclude": own})})


def copy_exclusions(config: Config, run: RunFolder) -> None:
    """Write a copy of `data.exclude` into a run: the user will edit the table."""
    if config.data.exclude:
        table = effective_table(Path(config.data.exclude), multilabel=config.data.task == "multilabel")
        write_text(run.exclude_file, table)


def run_name(config: Config) -> str:
    """Return a name made of the data's and the backbone's, for runs that the user did not name."""
    return f"{_plain(Path(str(config.data.source)).name)}-{_plain(config.model.backbone)}"


def _with_transfer(config: Config) -> Config:
    """Return the settings for training from scratch, or all in one step, if that is asked for."""
    if config.transfer == "full":
        free = {n: value for n, value in FULL_DEFAULTS.items() if n in config.open_settings("finetune")}
        return config.model_copy(update={"finetune": config.finetune.model_copy(update=free)})
    if config.transfer == "frozen":
        return config
    if config.model.weights not in ("pretrained", "none"):
        raise ConfigError(
            f"transfer: scratch starts from random weights, and model.weights is {config.model.weights!r}: "
            "leave one of them out."
        )
    return config.model_copy(update={"model": config.model.model_copy(update={"weights": "none"})})


def _with_absolute_paths(config: Config, data: str | Path | None) -> Config:
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


def _plain(name: str) -> str:
    """Return a name that is safe for a folder; letters of any script are kept."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-.").lower() or "run"
