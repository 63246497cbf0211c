"""Data sets for TensorFlow Datasets, which knows them by name once this module is imported."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from tests.images import encoded, noisy_image

LABELS = ["sea urchin", "a/b", "猫"]
SEEDS = {"train": range(12), "validation": range(12, 18), "test": range(18, 21)}


class Base(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> Any:
        features = {"image": tfds.features.Image(), "label": tfds.features.ClassLabel(names=LABELS)}
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(features), supervised_keys=("image", "label")
        )

    def _split_generators(self, dl_manager: Any) -> Any:  # noqa: ARG002
        return {name: self._generate_examples(seeds) for name, seeds in SEEDS.items()}

    def _generate_examples(self, seeds: range) -> Iterator[Any]:
        folder = Path(self._data_dir_root) / "originals"
        folder.mkdir(parents=True, exist_ok=True)
        for seed in seeds:
            path = folder / f"{seed}.jpg"
            path.write_bytes(encoded(noisy_image(seed, (24, 20))))
            yield seed, {"image": str(path), "label": LABELS[seed % 3]}


class TlkTiny(Base):
    """Three splits, three classes."""


class TlkOneSplit(Base):
    """A split that is called neither train nor anything like it."""

    def _split_generators(self, dl_manager: Any) -> Any:  # noqa: ARG002
        return {"whole": self._generate_examples(SEEDS["train"])}


class TlkUnlabelled(Base):
    """Images alone."""

    def _info(self) -> Any:
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict({"image": tfds.features.Image()})
        )

    def _generate_examples(self, seeds: range) -> Iterator[Any]:
        for seed, row in super()._generate_examples(seeds):
            yield seed, {"image": row["image"]}


class TlkOffline(Base):
    """What happens without a network."""

    def _split_generators(self, dl_manager: Any) -> Any:  # noqa: ARG002
        raise ConnectionError("no network here\nand a long story")
