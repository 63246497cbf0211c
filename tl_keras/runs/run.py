"""What the verbs that start from a finished run need of it: its model and its images."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tl_keras.config.schema import Config
from tl_keras.core.files import write_text
from tl_keras.core.model_info import ModelInfo
from tl_keras.core.types import Floats
from tl_keras.data.example import Example
from tl_keras.data.loaders import ImageLoader, Loader
from tl_keras.errors import DataError, ModelError
from tl_keras.evaluation.measure import measure
from tl_keras.evaluation.predictions import predictions_csv
from tl_keras.evaluation.record import EvaluationRecord
from tl_keras.evaluation.transfer_gain import TransferGain
from tl_keras.features.cached_backbone import CachedBackbone
from tl_keras.models.saved.embedded_info import read
from tl_keras.models.saved.keras_file import load_keras
from tl_keras.models.source_model import KEYWORDS
from tl_keras.runs.dataset import Dataset, read_examples
from tl_keras.runs.folder import RunFolder, damaged_run, find_run
from tl_keras.runs.measure import accuracy_without

MAX_LISTED = 5

GAIN_FILE = Path("baseline", "gain.json")


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run, read back.

    Attributes:
        run: Its folder.
        config: Its settings.
        info: Class names and preprocessing.
        prepared: Its images and their splits.
    """

    run: RunFolder
    config: Config
    info: ModelInfo
    prepared: Dataset

    def loader(self, split: str) -> ImageLoader:
        """Return a loader of one split, after a look that its files are still there.

        Raises:
            DataError: The split is empty, or files have gone since training.
        """
        examples = self.images(split)
        return ImageLoader(
            examples,
            self.info.labels,
            self.info.geometry,
            task=self.info.task,
            cache_mb=self.config.data.cache_mb,
        )

    def images(self, split: str) -> list[Example]:
        """Return the images of one split, after a look that their files are still there.

        Raises:
            DataError: The split is empty, or files have gone since training.
        """
        examples = self.prepared.split(split)
        if not examples:
            have = [name for name in ("train", "val", "test") if self.prepared.split(name)]
            raise DataError(f"{self.run.folder} has no {split} images; it has: {', '.join(have)}.")
        gone = [example.path for example in examples if not Path(example.path).is_file()]
        if gone:
            more = f"\n  ... and {len(gone) - MAX_LISTED} more" if len(gone) > MAX_LISTED else ""
            raise DataError(
                f"{len(gone)} of {len(examples)} {split} images of this run are not where they were:\n  "
                + "\n  ".join(gone[:MAX_LISTED])
                + more
                + "\nPut them back, or train a new run."
            )
        return examples

    def with_images(self, examples: Sequence[Example]) -> Run:
        """Return the run with these as its images."""
        return replace(self, prepared=Dataset(tuple(examples), self.info.labels))

    def seen(self, split: str, frozen: CachedBackbone | None) -> Loader:
        """Return one split as `frozen` has stored it, train with its views; as images without it."""
        if frozen is None:
            return self.loader(split)
        examples = self.prepared.split(split)
        return frozen.loader(examples, self.info.labels, self.info.task, views=split == "train")

    def report(
        self, model: Any, loader: Loader, split: str, *, phase: str = "", data: str | None = None
    ) -> tuple[EvaluationRecord, Floats]:
        """Measure a classifier; return the report and the probabilities in the loader's order.

        Args:
            model: This run's model, or one that may become it, or the part of one that takes features.
            loader: The images, or their features.
            split: What to call them.
            phase: The phase the classifier came from; that of the run's model when left out.
            data: Their source when they are not this run's own.
        """
        evaluation, outputs = measure(model, loader, self.info.task, f"evaluating on {split}")
        leaked = self._leaked(loader.examples)
        report = EvaluationRecord(
            data=data or str(self.config.data.source),
            split=split,
            used_for_selection=data is None and split == "val",
            trained_on=int(leaked.sum()),
            backbone=self.config.model.backbone,
            phase=phase or self.info.phase,
            evaluation=evaluation,
            transfer=self._transfer(split) if data is None and not phase else None,
            without_leaked=accuracy_without(leaked, loader, outputs, self.info.task),
        )
        return report, outputs

    def _leaked(self, examples: Sequence[Example]) -> npt.NDArray[np.bool_]:
        """Return bool [n]: whether the image, a near-duplicate or one of its group was trained on."""
        train = self.prepared.split("train")
        contents = {example.sha256 for example in train} | self._source_trained_on()
        groups = {example.group for example in train} - {""}
        return np.array([e.sha256 in contents or e.group in groups for e in examples], bool)

    def _source_trained_on(self) -> set[str]:
        """Return the hashes of the images that the source model was trained on, if its run is there."""
        source = RunFolder(Path(self.config.model.weights).parent)
        if self.config.model.weights in KEYWORDS or not source.manifest_file.is_file():
            return set()
        return {e.sha256 for e in read_examples(source) if e.split == "train" and e.is_used}

    def _transfer(self, split: str) -> TransferGain | None:
        """Return what the run's baseline found, if it has one."""
        file = self.run.phases_dir / self.info.phase / GAIN_FILE
        if split != self.prepared.reported_split or not file.is_file():
            return None
        try:
            return TransferGain.from_dict(json.loads(file.read_text(encoding="utf-8")))
        except (ValueError, KeyError, TypeError) as error:
            raise damaged_run(self.run, f"{file}: {error}") from error

    def write_report(self, folder: Path, report: EvaluationRecord, loader: Loader, outputs: Floats) -> None:
        """Write metrics.json and predictions.csv."""
        predictions = predictions_csv(loader.examples, outputs, self.info.labels, self.info.task)
        write_text(folder / "predictions.csv", predictions)
        write_text(folder / "metrics.json", report.to_json())


def open_run(folder: str | Path) -> tuple[Run, Any]:
    """Return a finished run and its model, as a Keras model.

    Raises:
        RunError: There is no finished run in `folder`, or one of its files is damaged.
    """
    run = find_run(Path(folder))
    try:
        info, classifier = read(run.model_file), load_keras(run.model_file)
    except ModelError as error:
        raise damaged_run(run, str(error).partition("\n")[0]) from error
    if info is None:
        raise damaged_run(run, f"{run.model_file} carries no class names: it was not written by `tlk`.")
    return Run(run, run.config(), info, Dataset(read_examples(run), info.labels)), classifier
