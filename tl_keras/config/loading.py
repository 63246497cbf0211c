"""Settings from YAML files and `PATH=VALUE`, merged over the defaults; all faults at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import ValidationError

from tl_keras.config.schema import Config
from tl_keras.core.wording import did_you_mean
from tl_keras.errors import ConfigError


def load_config(
    file: str | Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    base: Config | None = None,
) -> Config:
    """Build the settings from `base`, then `file`, then `overrides`.

    Args:
        file: YAML file of nested sections, or None.
        overrides: Dotted path -> value, e.g. {"head.dropout": 0.3}.
        base: What is not named elsewhere; None for the defaults.

    Raises:
        ConfigError: The file cannot be read, or any setting is unknown or out of range.
    """
    tree = base.model_dump(mode="json") if base is not None else {}
    if file is not None:
        _merge(tree, _with_table_beside(_read_yaml(Path(file)), Path(file)))
    for path, value in _without_old_stages(overrides or {}).items():
        _assign(tree, path, value)
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        where = f" in {file}" if file is not None else ""
        raise ConfigError(f"Wrong settings{where}:\n" + "\n".join(_faults(error))) from None


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
            parsed[path.strip()] = _scalar(yaml.safe_load(value))
        except yaml.YAMLError:
            raise ConfigError(f"The value in {assignment!r} is not valid YAML.") from None
    return parsed


def _read_yaml(file: Path) -> dict[str, Any]:
    try:
        tree = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"Cannot read the config {file}: {error}.") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{file} is not valid YAML: {error}.") from None
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise ConfigError(f"{file}: expected sections such as `model:`, found {type(tree).__name__}.")
    return {name: section for name, section in tree.items() if section is not None}


def _with_table_beside(tree: dict[str, Any], file: Path) -> dict[str, Any]:
    """Let `data.exclude` name the table beside the file, if there is one of that name: runs may be moved."""
    data = tree.get("data")
    if isinstance(data, dict) and isinstance(data.get("exclude"), str):
        beside = file.absolute().parent / Path(data["exclude"]).name
        if beside.is_file():
            return {**tree, "data": {**data, "exclude": str(beside)}}
    return tree


def _scalar(value: Any) -> Any:
    """Read `1e-3` as a number, which YAML 1.1 takes for a string."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


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


def _faults(error: ValidationError) -> list[str]:
    return [f"  {_fault(dict(item))}" for item in error.errors()]


def _fault(item: dict[str, Any]) -> str:
    path = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        known = _keys_beside(item["loc"])
        hint = did_you_mean(str(item["loc"][-1]), known)
        return f"{path}: no such setting.{hint} Known here: {', '.join(known)}."
    message = item["msg"].removeprefix("Value error, ")
    prefix = f"{path}: " if path else ""
    return f"{prefix}{message} (found {item['input']!r})" if path else message


def _keys_beside(location: tuple[Any, ...]) -> list[str]:
    section: Any = Config
    for name in location[:-1]:
        section = section.model_fields[name].annotation
        section = next((part for part in get_args(section) if hasattr(part, "model_fields")), section)
    return list(section.model_fields)
