"""What can be set, in words: for the reference of all settings."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from tl_keras.config import schema
from tl_keras.config.schema import Config, Section
from tl_keras.config.yaml_format import write_yaml

WORDS: dict[Any, str] = {
    bool: "`true` or `false`",
    int: "integer",
    float: "number",
    str: "text",
    Any: "anything",
}
SUFFIX: dict[Any, str] = {tuple: "[]", dict: ".NAME"}
BOUNDS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}


@dataclass(frozen=True, slots=True)
class SettingText:
    """A setting.

    Attributes:
        path: What `--set` calls it; of a list of sections `[]` stands for the number.
        kind: What it may be, in Markdown.
        default: As YAML; empty if it has to be given, or is a section.
        meaning: In a sentence or more.
    """

    path: str
    kind: str
    default: str
    meaning: str


@dataclass(frozen=True, slots=True)
class SectionText:
    """A section of the settings, and what can be set in it.

    Attributes:
        path: Empty for the top.
        meaning: In a sentence or more.
        settings: In their order, without those of the sections below.
    """

    path: str
    meaning: str
    settings: tuple[SettingText, ...]


def describe_settings(
    root: type[Section] = Config, path: str = "", made: Section | None = None
) -> Iterator[SectionText]:
    """Yield all sections in their order, each before those below it.

    Args:
        root: The section to begin with.
        path: Where it is.
        made: It with its defaults, which may differ from place to place; None for its own.
    """
    prefix = f"{path}." if path else ""
    fields = {name: root.model_fields[name] for name in root.setting_names()}
    values = {name: getattr(made, name) if made else field.default for name, field in fields.items()}
    yield SectionText(
        path,
        inspect.cleandoc(root.__doc__ or "").partition("\n\n")[0].replace("\n", " "),
        tuple(
            SettingText(f"{prefix}{name}", _kind(field), _yaml(values[name]), _meaning(root, name))
            for name, field in fields.items()
            if not _is_section(field.annotation)
        ),
    )
    for name, field in fields.items():
        for section, suffix in _sections(field.annotation):
            value = values[name] if isinstance(values[name], Section) else None
            yield from describe_settings(section, f"{prefix}{name}{suffix}", value)


def choices(annotation: Any) -> tuple[str, ...]:
    """Return the words that a setting of this type may be."""
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    return tuple(word for part in get_args(annotation) for word in choices(part))


def _yaml(value: Any) -> str:
    """Return a default as it is written in a file."""
    if value is PydanticUndefined:
        return ""
    return write_yaml({"x": list(value) if isinstance(value, tuple) else value}).removeprefix("x:").strip()


def _kind(field: FieldInfo) -> str:
    """Return in words what a setting takes."""
    return _words(field.annotation, field.metadata)


def _words(annotation: Any, metadata: Iterable[Any] = ()) -> str:
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _words(parts[0], [limit for part in parts[1:] for limit in getattr(part, "metadata", [part])])
    if origin is Literal:
        return ", ".join(f"`{part}`" for part in parts)
    if origin in (Union, UnionType):
        return " or ".join(_words(part, metadata) for part in parts if part is not NoneType)
    if origin is tuple:
        return f"list of {_words(parts[0])}"
    if origin is dict:
        return f"{{{_words(parts[0])}: {_words(parts[1])}}}"
    return f"{WORDS.get(annotation, 'section')} {_bounds(metadata)}".strip()


def _bounds(metadata: Iterable[Any]) -> str:
    found = [(sign, getattr(limit, name, None)) for limit in metadata for name, sign in BOUNDS.items()]
    return ", ".join(f"{sign} {bound}" for sign, bound in found if bound is not None)


def _is_section(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Section)


def _sections(annotation: Any) -> list[tuple[type[Section], str]]:
    """Return the sections that a type is made of, each with what their paths have after its own."""
    if _is_section(annotation):
        return [(annotation, "")]
    suffix = SUFFIX.get(get_origin(annotation), "")
    return [(kind, suffix + more) for part in get_args(annotation) for kind, more in _sections(part)]


def _meaning(section: type[Section], name: str) -> str:
    """Return the text below a setting in the source, that of the section it comes from if it has none."""
    found = (_texts().get((kind.__name__, name)) for kind in section.__mro__)
    return next((text for text in found if text), "")


@cache
def _texts() -> dict[tuple[str, str], str]:
    tree = ast.parse(inspect.getsource(schema))
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    return {
        (kind.name, field.target.id): " ".join(below.value.value.split())
        for kind in classes
        for field, below in zip(kind.body, kind.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
        and isinstance(below.value.value, str)
    }
