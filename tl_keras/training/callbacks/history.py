"""`history.csv`: what was measured in every epoch of a phase."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import keras

from tl_keras.core.files import write_text


class History(keras.callbacks.Callback):
    """Keeps a row per epoch and writes them all at the end of each: never half a line, never one twice.

    Args:
        file: Where to write them.

    Attributes:
        rows: Per epoch the values of loss, accuracy, val_loss, val_accuracy, and the learning rate where a
            callback sets it.
    """

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.rows: list[dict[str, float]] = []
        self._file = file

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self.rows.append({"epoch": epoch} | {name: float(value) for name, value in (logs or {}).items()})
        text = io.StringIO()
        writer = csv.DictWriter(text, ["epoch", *sorted({*self.rows[0]} - {"epoch"})], lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        write_text(self._file, text.getvalue(), durable=False)
