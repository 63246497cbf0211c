"""What the verbs that start from a finished run need of it: its model and its images."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tl_keras.config import Config
from tl_keras.data import manifest
from tl_keras.data.example import Example
from tl_keras.data.pipelines import Labelled, Loader
from tl_keras.data.prepare import Prepared
from tl_keras.errors import DataError, ModelError, RunError
from tl_keras.evaluation.measure import measure
from tl_keras.evaluation.metrics import Floats, decisions, wilson_interval
from tl_keras.evaluation.predictions import predictions_csv
from tl_keras.evaluation.report import Report, WithoutLeaked
from tl_keras.evaluation.transfer import TransferGain
from tl_keras.features.frozen import FrozenPart
from tl_keras.files import write_text
from tl_keras.inference.info import read
from tl_keras.inference.keras_file import load_keras
from tl_keras.model_info import ModelInfo, Task
from tl_keras.models.source import KEYWORDS
from tl_keras.run import Run, open_run

SHOWN = 5
GAIN_FILE = Path("baseline", "gain.json")


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
        examples = self.images(split)
        return Loader(
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
            more = f"\n  ... and {len(gone) - SHOWN} more" if len(gone) > SHOWN else ""
            raise DataError(
                f"{len(gone)} of {len(examples)} {split} images of this run are not where they were:\n  "
                + "\n  ".join(gone[:SHOWN])
                + more
                + "\nPut them back, or train a new run."
            )
        return examples

    def with_images(self, examples: Sequence[Example]) -> StoredRun:
        """Return the run with these as its images."""
        return replace(self, prepared=Prepared(tuple(examples), self.info.labels))

    def seen(self, split: str, frozen: FrozenPart | None) -> Labelled:
        """Return one split as `frozen` has stored it, train with its views; as images without it."""
        if frozen is None:
            return self.loader(split)
        examples = self.prepared.split(split)
        return frozen.loader(examples, self.info.labels, self.info.task, views=split == "train")

    def report(
        self, model: Any, loader: Labelled, split: str, *, phase: str = "", data: str | None = None
    ) -> tuple[Report, Floats]:
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
        report = Report(
            data=data or str(self.config.data.source),
            split=split,
            used_for_selection=data is None and split == "val",
            trained_on=int(leaked.sum()),
            backbone=self.config.model.backbone,
            phase=phase or self.info.phase,
            evaluation=evaluation,
            transfer=self._transfer(split) if data is None and not phase else None,
            without_leaked=_without(leaked, loader, outputs, self.info.task),
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
        source = Run(Path(self.config.model.weights).parent)
        if self.config.model.weights in KEYWORDS or not source.manifest_file.is_file():
            return set()
        return {e.sha256 for e in read_examples(source) if e.split == "train" and not e.problem}

    def _transfer(self, split: str) -> TransferGain | None:
        """Return what the run's baseline found, if it has one."""
        file = self.run.phases_dir / self.info.phase / GAIN_FILE
        if split != self.prepared.reported_split or not file.is_file():
            return None
        try:
            return TransferGain.from_dict(json.loads(file.read_text(encoding="utf-8")))
        except (ValueError, KeyError, TypeError) as error:
            raise _damaged(self.run, f"{file}: {error}") from error

    def write_report(self, folder: Path, report: Report, loader: Labelled, outputs: Floats) -> None:
        """Write metrics.json and predictions.csv."""
        predictions = predictions_csv(loader.examples, outputs, self.info.labels, self.info.task)
        write_text(folder / "predictions.csv", predictions)
        write_text(folder / "metrics.json", report.to_json())


def _without(
    leaked: npt.NDArray[np.bool_], loader: Labelled, outputs: Floats, task: Task
) -> WithoutLeaked | None:
    """Return the accuracy on what is not leaked, where that is some of the images and not all."""
    if not leaked.any() or leaked.all():
        return None
    rows = np.flatnonzero(~leaked)
    right = (decisions(outputs[rows], task) == loader.targets(rows).astype(bool)).all(axis=1)
    return WithoutLeaked(len(rows), float(right.mean()), wilson_interval(int(right.sum()), len(rows)))


def open_stored(folder: str | Path) -> tuple[StoredRun, Any]:
    """Return a finished run and its model, as a Keras model.

    Raises:
        RunError: There is no finished run in `folder`, or one of its files is damaged.
    """
    run = open_run(Path(folder))
    try:
        info, classifier = read(run.model_file), load_keras(run.model_file)
    except ModelError as error:
        raise _damaged(run, str(error).partition("\n")[0]) from error
    if info is None:
        raise _damaged(run, f"{run.model_file} carries no class names: it was not written by `tlk`.")
    return StoredRun(run, run.config(), info, Prepared(read_examples(run), info.labels)), classifier


def read_examples(run: Run) -> tuple[Example, ...]:
    """Return all images of a run, those left out included.

    Raises:
        RunError: Its manifest is damaged.
    """
    try:
        # As bytes: reading text would change line breaks inside of names.
        return tuple(manifest.from_csv(run.manifest_file.read_bytes().decode("utf-8")))
    except UnicodeDecodeError:
        raise _damaged(run, f"{run.manifest_file} is not UTF-8 text.") from None


def _damaged(run: Run, reason: str) -> RunError:
    return RunError(
        f"The run {run.folder} is damaged: {reason}\nTrain it anew with: tlk fit --config {run.config_file}"
    )
