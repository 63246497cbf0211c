"""Looking at what commands have written."""

from __future__ import annotations

import csv
import json
from pathlib import Path


def rows_of(table: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file."""
    with table.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def chunks(features: Path) -> list[Path]:
    """Return the files of stored features, but not those of facts about image files."""
    stores = [
        file.parent for file in features.glob("*/about.json") if "backbone" in json.loads(file.read_text())
    ]
    return sorted(file for store in stores for file in store.glob("*.npy"))
