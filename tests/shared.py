"""Where real photos and pretrained weights are, which are not part of the project."""

from __future__ import annotations

import os
from pathlib import Path

SHARED = Path(os.environ.get("TLK_TEST_DATA", Path(__file__).resolve().parents[2] / "shared"))
"""`TLK_TEST_DATA`, or a folder `shared` beside the repository; tests that need it are skipped without."""
