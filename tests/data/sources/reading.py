"""Reading a source, or the refusal to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tl_keras.config.schema import DataConfig
from tl_keras.data.sources.read import read_source
from tl_keras.data.sources.source import ImageSource
from tl_keras.errors import ConfigError, DataError


def read(source: Path | str, **settings: Any) -> ImageSource:
    return read_source(DataConfig(source=str(source), **settings))


def refused(source: Path | str, **settings: Any) -> str:
    with pytest.raises((DataError, ConfigError)) as caught:
        read(source, **settings)
    message = str(caught.value)
    assert len(message.splitlines()) <= 4
    return message


def names(source: ImageSource) -> list[tuple[str, str, str]]:
    return [(Path(example.path).name, example.label, example.split) for example in source.examples]
