"""Making a run, or changing one: seed, devices, lock, workers, and what was interrupted."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from tl_keras.config.schema import Config
from tl_keras.core.geometry import Geometry
from tl_keras.core.model_info import ModelInfo
from tl_keras.data.class_weights import require_known_classes
from tl_keras.data.sources.read import read_source
from tl_keras.data.sources.source import ImageSource
from tl_keras.distributed.devices import DevicePlan, plan_devices
from tl_keras.runs.dataset import Dataset, interrupted_dataset, prepare_dataset
from tl_keras.runs.folder import FIRST_PHASES, RunFolder
from tl_keras.runs.resolve_settings import copy_exclusions, run_name
from tl_keras.runs.resumable import resumable_run
from tl_keras.runs.run import Run
from tl_keras.runs.worker_copies import own_run, own_runs_dir


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run before its images are looked at.

    Attributes:
        folder: Where its files are now.
        destination: Where they are when it is finished.
        config: Its settings.
        device: What to train on.
        source: Its images as listed.
        interrupted: Its images as they were checked and split before it was interrupted, or None.
        phase: Name of its first phase.
    """

    folder: RunFolder
    destination: Path
    config: Config
    device: DevicePlan
    source: ImageSource
    interrupted: Dataset | None
    phase: str

    @property
    def phase_folder(self) -> Path:
        return self.folder.phases_dir / self.phase

    @property
    def classes(self) -> tuple[str, ...]:
        return self.source.classes

    def prepare(self, network: Any) -> Run:
        """Return the run with its images inspected and split, for a network that takes them.

        Raises:
            DataError: The images are not as needed.
        """
        _, height, width, _ = network.input_shape
        settings = self.config.data
        geometry = Geometry(height, width, settings.resize, settings.crop_fraction)
        info = ModelInfo(self.classes, geometry, settings.task, self.phase)
        dataset = self.interrupted or prepare_dataset(self.folder, self.source, self.config)
        return Run(self.folder, self.destination, self.config, info, dataset)


@contextmanager
def new_run(
    config: Config, trains: str, name: str | None, runs_dir: str | Path, *, overwrite: bool
) -> Iterator[NewRun]:
    """Yield a run to be trained; it appears at its destination when the block ends without an error.

    What was interrupted after a checkpoint stays, and the same call resumes it.

    Args:
        config: Resolved settings.
        trains: What its first phase trains: a `transfer` of the settings, or `pretrain`.
        name: The run's name; None for one made of the data's and the backbone's.
        runs_dir: The folder of all runs.
        overwrite: Replace a run of the same name.

    Raises:
        TlkError: Settings, images or the run's folder are not as needed.
        KeyboardInterrupt: Ctrl-C; with a text for people.
    """
    keras.utils.set_random_seed(config.runtime.seed)
    device = plan_devices(config.runtime)
    source = read_source(config.data)
    require_known_classes(config, source.classes)
    wish = name or run_name(config) + ("-source" if trains == "pretrain" else "")
    with (
        own_runs_dir(Path(runs_dir)) as folder,
        resumable_run(folder, wish, config, trains, exact=name is not None, overwrite=overwrite) as (
            run,
            destination,
            own_config,
        ),
    ):
        interrupted = interrupted_dataset(run, source, overwrite=overwrite)
        if interrupted is None:
            copy_exclusions(config, run)
        yield NewRun(run, destination, own_config, device, source, interrupted, FIRST_PHASES[trains])


@contextmanager
def changed_run(path: str | Path, config: Config) -> Iterator[tuple[RunFolder, DevicePlan]]:
    """Yield the folder of a finished run, locked, and what to train on.

    Workers that are not the chief get a copy that goes with the process.

    Raises:
        RunError: It is not a finished run; or another worker was lost.
        NameTaken: Another process changes it.
    """
    keras.utils.set_random_seed(config.runtime.seed)
    device = plan_devices(config.runtime)
    with own_run(Path(path)) as folder:
        yield RunFolder(folder), device
