"""What the verbs that start from a finished run need of it: its model and its images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from tl_keras.config import Config
from tl_keras.data import manifest
from tl_keras.data.pipelines import Loader
from tl_keras.data.prepare import Prepared
from tl_keras.errors import DataError, ModelError
from tl_keras.evaluation.measure import measure
from tl_keras.evaluation.metrics import Floats
from tl_keras.evaluation.predictions import predictions_csv
from tl_keras.evaluation.report import Report
from tl_keras.geometry import Geometry
from tl_keras.model_info import ModelInfo
from tl_keras.run import Run, open_run

SHOWN = 5


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A finished run, read back.

    Attributes:
        run: Its folder.
        config: Its settings.
        info: Class names and preprocessing.
        prepared: Its images and their splits.
    """

    run: Run
    config: Config
    info: ModelInfo
    prepared: Prepared

    def loader(self, split: str) -> Loader:
        """Return a loader of one split, after a look that its files are still there.

        Raises:
            DataError: The split is empty, or files have gone since training.
        """
        examples = self.prepared.split(split)
        if not examples:
            have = [name for name in ("train", "val", "test") if self.prepared.split(name)]
            raise DataError(f"{self.run.folder} has no {split} images; it has: {', '.join(have)}.")
        gone = [example.path for example in examples if not Path(example.path).is_file()]
        if gone:
            more = f"\n  ... and {len(gone) - SHOWN} more" if len(gone) > SHOWN else ""
            raise DataError(
                f"{len(gone)} of {len(examples)} {split} images of this run are not where they were:\n  "
                + "\n  ".join(gone[:SHOWN])
                + more
                + "\nPut them back, or train anew with: tlk fit DATA"
            )
        return Loader(
            examples,
            self.info.labels,
            self.info.geometry,
            task=self.info.task,
            cache_mb=self.config.data.cache_mb,
        )

    def report(
        self, classifier: Any, loader: Loader, split: str, *, phase: str, data: str | None = None
    ) -> tuple[Report, Floats]:
        """Measure a classifier; return the report and the probabilities in the loader's order.

        Args:
            classifier: This run's model, or one that may become it.
            loader: The images.
            split: What to call them.
            phase: The phase the classifier came from.
            data: Their source when they are not this run's own.
        """
        evaluation, outputs = measure(classifier, loader, self.info.task, f"evaluating on {split}")
        report = Report(
            data=data or str(self.config.data.source),
            split=split,
            used_for_selection=data is None and split != "test",
            backbone=self.config.model.backbone,
            phase=phase,
            evaluation=evaluation,
        )
        return report, outputs

    def predictions_csv(self, loader: Loader, outputs: Floats) -> str:
        """Return the text of predictions.csv."""
        return predictions_csv(loader.examples, outputs, self.info.labels, self.info.task)


def open_stored(folder: str | Path) -> tuple[StoredRun, Any]:
    """Return a finished run and its model, as a Keras model.

    Raises:
        RunError: There is no finished run in `folder`.
        ModelError: Its model file is damaged.
    """
    run = open_run(Path(folder))
    config = run.config()
    classifier = _load(run.model_file)
    _, height, width, _ = classifier.input_shape
    data = config.data
    info = ModelInfo(run.labels(), Geometry(height, width, data.resize, data.crop_fraction), data.task)
    examples = manifest.from_csv(run.manifest_file.read_bytes().decode("utf-8"))
    return StoredRun(run, config, info, Prepared(tuple(examples), info.labels)), classifier


def _load(file: Path) -> Any:
    try:
        return keras.models.load_model(file, compile=False)
    except Exception as error:  # Keras raises whatever the damage makes it stumble over
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelError(f"{file} is damaged: {reason}\nTrain anew with: tlk fit") from error
