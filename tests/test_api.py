"""The Python API: the commands' names, loaded when first used."""

from __future__ import annotations

import subprocess
import sys

import pytest

import tl_keras
from tl_keras.cli.main import tlk


def test_every_command_is_a_function():
    for name in tlk.commands:
        assert callable(getattr(tl_keras, name.replace("-", "_")))


def test_importing_the_package_imports_nothing_heavy():
    code = "import sys, tl_keras; print({'tensorflow', 'numpy', 'pydantic'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "set()"


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="no attribute 'fitt'"):
        _ = tl_keras.fitt


def test_predict_streams(finished, photos):
    answers = tl_keras.predict(finished, [photos / "red"], top=1)
    first = next(answers)
    assert first.error == "" and len(first.labels) == 1 and 0 < first.scores[0] <= 1
    assert len(list(answers)) == 19


def test_no_images_is_an_error_of_ours(tiny):
    from tl_keras.errors import ConfigError

    with pytest.raises(ConfigError, match="No images given"):
        tl_keras.fit(config=tiny)
