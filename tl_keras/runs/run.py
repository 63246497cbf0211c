"""A run as the verbs work with it: its folder, settings, class names and images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tl_keras.config.schema import Config
from tl_keras.core.model_info import ModelInfo
from tl_keras.data.example import Example
from tl_keras.data.loaders import ImageLoader, Loader
from tl_keras.errors import DataError, ModelError
from tl_keras.features.cached_backbone import CachedBackbone
from tl_keras.models.saved.embedded_info import read
from tl_keras.models.saved.keras_file import load_keras
from tl_keras.runs.dataset import Dataset, read_dataset
from tl_keras.runs.folder import RunFolder, damaged_run, find_run

MAX_LISTED = 5


@dataclass(frozen=True, slots=True)
class Run:
    """A run, finished or being made.

    Attributes:
        folder: Where its files are now.
        destination: Where they are when it is finished.
        config: Its settings.
        info: Class names and preprocessing.
        dataset: Its images and their splits.
    """

    folder: RunFolder
    destination: Path
    config: Config
    info: ModelInfo
    dataset: Dataset

    def loader(self, split: str, cached: CachedBackbone | None = None) -> Loader:
        """Return one split as `cached` has stored it, train with its views; as images without it."""
        if cached is None:
            return self.image_loader(split)
        examples = self.dataset.split(split)
        return cached.loader(examples, self.info.labels, self.info.task, views=split == "train")

    def image_loader(self, split: str) -> ImageLoader:
        """Return a loader of one split's images.

        Raises:
            DataError: The split is empty, or files have gone since training.
        """
        examples, cache_mb = self.examples(split), self.config.data.cache_mb
        return ImageLoader(
            examples, self.info.labels, self.info.geometry, task=self.info.task, cache_mb=cache_mb
        )

    def examples(self, split: str) -> list[Example]:
        """Return the images of one split, after a look that their files are still there.

        Raises:
            DataError: The split is empty, or files have gone since training.
        """
        examples = self.dataset.split(split)
        if not examples:
            have = [name for name in ("train", "val", "test") if self.dataset.split(name)]
            raise DataError(f"{self.destination} has no {split} images; it has: {', '.join(have)}.")
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


def open_run(path: str | Path) -> tuple[Run, Any]:
    """Return a finished run and its model, as a Keras model.

    Raises:
        RunError: There is no finished run at `path`, or one of its files is damaged.
    """
    folder = find_run(Path(path))
    try:
        info, classifier = read(folder.model_file), load_keras(folder.model_file)
    except ModelError as error:
        raise damaged_run(folder, str(error).partition("\n")[0]) from error
    if info is None:
        raise damaged_run(folder, f"{folder.model_file} carries no class names: it was not written by `tlk`.")
    return Run(folder, folder.path, folder.config(), info, read_dataset(folder, info.labels)), classifier
