"""JSON and quoting."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

from tl_keras.core.console import result


def print_json(value: Any, *, indent: int | None = 2) -> None:
    result(json.dumps(value, ensure_ascii=False, indent=indent))


def quoted(path: Path) -> str:
    return shlex.quote(str(path))
