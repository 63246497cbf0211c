"""YAML as settings are written in it: 1.1, but `1e-3` is a number, and `012` and `2024-01-05` are text."""

from __future__ import annotations

import re
from typing import Any

import yaml

_TAG = "tag:yaml.org,2002:"
_NUMBERS = (
    ("int", re.compile(r"(?:0|-?[1-9][0-9]*)$"), "-0123456789"),
    (
        "float",
        re.compile(
            r"(?:[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?"
            r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
        ),
        "-+0123456789.",
    ),
)  # fmt: skip
"""What is a number, and how it begins. YAML 1.1 also knows octal, hexadecimal and base 60, and `1_000`."""
_KEPT = {_TAG + name for name in ("null", "bool", "merge", "value")}


class _Loader(yaml.SafeLoader):
    """Reads numbers as above, and no dates; keys are text, since they are names."""

    yaml_implicit_resolvers = {  # noqa: RUF012
        first: [(tag, expression) for tag, expression in resolvers if tag in _KEPT]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Leave keys as they are written: classes may be called 3, no or 1e3."""
        self.flatten_mapping(node)
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                key.tag = _TAG + "str"
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    """Quotes text that YAML 1.1 or the loader above takes for something else."""


for _name, _expression, _first in _NUMBERS:
    _Loader.add_implicit_resolver(_TAG + _name, _expression, list(_first))
    _Dumper.add_implicit_resolver(_TAG + _name, _expression, list(_first))


def read_yaml(text: str) -> Any:
    """Return what a text says.

    Raises:
        yaml.YAMLError: It is not YAML, or holds more than plain values.
    """
    try:
        return yaml.load(text, _Loader)
    except ValueError as error:  # a number of too many digits
        raise yaml.YAMLError(str(error)) from None


def write_yaml(value: Any) -> str:
    """Return plain values as text that `read_yaml` reads back."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
