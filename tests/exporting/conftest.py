"""One small classifier, exported in every form once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.exporting.classifiers import ship


@pytest.fixture(scope="package")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, dict[str, Path]]:
    """The classifier, and form -> path; the files are not to be changed."""
    return ship(tmp_path_factory.mktemp("shipped"))
