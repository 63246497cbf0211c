"""What is wrong with settings, in a line each."""

from __future__ import annotations

from typing import Any, get_args, get_origin

from pydantic import ValidationError

from tl_keras.config.schema import Config, Section
from tl_keras.core.wording import did_you_mean


def faults(error: ValidationError) -> list[str]:
    """Return a line per fault: where it is, what is wrong, what was found."""
    return [f"  {_fault(dict(item))}" for item in error.errors()]


def keys_beside(location: tuple[Any, ...], root: type[Section] = Config) -> list[str]:
    """Return the settings that are known where pydantic has found an unknown one."""
    section = _section_at(root, location[:-1])
    return section.setting_names() if section is not None else []


def _fault(item: dict[str, Any]) -> str:
    path = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        known = keys_beside(item["loc"])
        hint = did_you_mean(str(item["loc"][-1]), known)
        return f"{path}: no such setting.{hint} Known here: {', '.join(known)}."
    message = item["msg"].removeprefix("Value error, ")
    prefix = f"{path}: " if path else ""
    return f"{prefix}{message} (found {item['input']!r})" if path else message


def _section_at(kind: Any, location: tuple[Any, ...]) -> type[Section] | None:
    """Return the section at a place below a type: a section, a list or dict of them, or a choice."""
    if isinstance(kind, type) and issubclass(kind, Section):
        if not location:
            return kind
        field = kind.model_fields.get(location[0])
        return _section_at(field.annotation, location[1:]) if field is not None else None
    within = [location[1:]] if get_origin(kind) in (tuple, list, dict) else [location, location[1:]]
    # In a choice pydantic puts the kind that it has tried into the location, but not where the other is None.
    tried = (_section_at(part, rest) for part in get_args(kind) for rest in within)
    return next((section for section in tried if section is not None), None)
