"""Settings from YAML files and `PATH=VALUE`, merged over the defaults; all faults at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from tl_keras.config.faults import faults
from tl_keras.config.schema import Config, Section
from tl_keras.config.yaml_format import read_yaml
from tl_keras.errors import ConfigError


def load_config(
    file: str | Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    base: Config | None = None,
) -> Config:
    """Build the settings from `base`, then `file`, then `overrides`.

    Those of the file and the overrides count as asked for, beside those of the base. A file that was written
    by `Config.to_yaml` says itself which of its settings were.

    Args:
        file: YAML file of nested sections, or None.
        overrides: Dotted path -> value, e.g. {"head.dropout": 0.3}.
        base: What is not named elsewhere; None for the defaults.

    Raises:
        ConfigError: The file cannot be read, or any setting is unknown or out of range.
    """
    overrides = overrides or {}
    _refuse_asked(overrides)
    base = base or Config()
    tree = base.model_dump(mode="json")
    read = _read_settings(Path(file)) if file is not None else {}
    _merge(tree, deepcopy(read))
    for path, value in _without_old_stages(overrides).items():
        _assign(tree, path, value)
    try:
        config = Config.model_validate(tree)
    except ValidationError as error:
        where = f" in {file}" if file is not None else ""
        raise ConfigError(f"Wrong settings{where}:\n" + "\n".join(faults(error))) from None
    asked = base.asked | (config.asked if "asked" in read else _named(read, config))
    return config.model_copy(update={"asked": _with_overrides(asked, overrides, config)})


def _refuse_asked(overrides: Mapping[str, Any]) -> None:
    if any(path.split(".")[0] == "asked" for path in overrides):
        raise ConfigError("asked is no setting: it is the list of those that were asked for. Set them.")


def _with_overrides(asked: frozenset[str], overrides: Mapping[str, Any], config: Config) -> frozenset[str]:
    """Return what was asked for, with the overrides, each of which replaces all that is below it."""
    given: dict[str, Any] = {}
    for path, value in overrides.items():
        _assign(given, path, value)
        asked = frozenset(other for other in asked if not other.startswith(f"{path}."))
    return asked | _named(given, config)


def _named(tree: Mapping[str, Any], section: Section) -> set[str]:
    """Return the paths of the settings that are named in `tree`."""
    paths: set[str] = set()
    for name, value in tree.items():
        below = getattr(section, name)
        inner = _named(value, below) if isinstance(value, dict) and isinstance(below, Section) else ()
        paths |= {f"{name}.{path}" for path in inner} or {name}
    return paths


def _without_old_stages(overrides: Mapping[str, Any]) -> Mapping[str, Any]:
    """Let an unfreeze or epochs that is asked for take the place of the stages of an earlier phase."""
    instead = [path for path in ("finetune.unfreeze", "finetune.epochs") if path in overrides]
    if not instead:
        return overrides
    if overrides.get("finetune.stages"):
        raise ConfigError(f"finetune.stages says what trains for how long: leave out {instead[0]}.")
    return {**overrides, "finetune.stages": ()}


def parse_assignments(assignments: Iterable[str]) -> dict[str, Any]:
    """Read `path=value` strings; values are YAML, so `[256, 128]`, `true` and `1e-3` mean what they say."""
    parsed = {}
    for assignment in assignments:
        path, equals, value = assignment.partition("=")
        if not equals or not path:
            raise ConfigError(f"Expected PATH=VALUE, e.g. head.dropout=0.3; found {assignment!r}.")
        try:
            parsed[path.strip()] = read_yaml(value)
        except yaml.YAMLError:
            raise ConfigError(f"The value in {assignment!r} is not valid YAML.") from None
    return parsed


def _read_settings(file: Path) -> dict[str, Any]:
    return _with_own_table(_with_present_names(_read_yaml(file)), file)


def _read_yaml(file: Path) -> dict[str, Any]:
    try:
        tree = read_yaml(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"Cannot read the config {file}: {error}.") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{file} is not valid YAML: {error}.") from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ConfigError(f"{file}: expected sections such as `model:`, found {type(tree).__name__}.")
    return {name: section for name, section in tree.items() if section is not None}


def _with_own_table(tree: dict[str, Any], file: Path) -> dict[str, Any]:
    """Let the config.yaml of a run name the exclude.csv of that run, which may have been moved or copied."""
    data = tree.get("data")
    named = data.get("exclude") if isinstance(data, dict) else None
    own = file.absolute().with_name("exclude.csv")
    in_run = file.name == "config.yaml" and own.is_file() and own.with_name("model.keras").is_file()
    if in_run and isinstance(named, str) and Path(named).is_absolute() and Path(named).name == own.name:
        return {**tree, "data": {**tree["data"], "exclude": str(own)}}
    return tree


def _with_present_names(tree: dict[str, Any]) -> dict[str, Any]:
    """Read what earlier versions wrote: `pretrained` was also called `imagenet`."""
    model = tree.get("model")
    if isinstance(model, dict) and model.get("weights") == "imagenet":
        return {**tree, "model": {**model, "weights": "pretrained"}}
    return tree


def _merge(tree: dict[str, Any], over: Mapping[str, Any]) -> None:
    for key, value in over.items():
        below = tree.get(key)
        if isinstance(below, dict) and isinstance(value, dict):
            _merge(below, value)
        else:
            tree[key] = value


def _assign(tree: dict[str, Any], path: str, value: Any) -> None:
    *sections, key = path.split(".")
    for section in sections:
        below = tree.get(section)
        if below in (None, "auto"):
            below = tree[section] = {}
        if not isinstance(below, dict):
            raise ConfigError(f"Cannot set {path}: {section} is {below!r}, not a section.")
        tree = below
    tree[key] = value
