"""After a power cut: a run's checkpoints are removed only when all of the run is on the disk."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

OFTEN = ("--set", "runtime.checkpoint_minutes=1e-9")


class Synced:
    """Notes what is waited for to be on the disk, as long as there are checkpoints.

    Attributes:
        nodes: (device, inode) of files and folders: a file that is renamed keeps its own.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, runs: Path) -> None:
        self._runs = runs
        self.nodes: set[tuple[int, int]] = set()
        for name in ("fsync", "fdatasync"):
            monkeypatch.setattr(os, name, self._noting(getattr(os, name)))
        monkeypatch.setattr(os, "sync", self._noting_all(os.sync))

    def _noting(self, really: Callable[[int], None]) -> Callable[[int], None]:
        def sync(descriptor: int) -> None:
            really(descriptor)
            if self._checkpoints():
                self.nodes.add(node(os.fstat(descriptor)))

        return sync

    def _noting_all(self, really: Callable[[], None]) -> Callable[[], None]:
        def sync() -> None:
            really()
            if self._checkpoints():
                self.nodes |= {node(path.stat()) for path in (self._runs, *self._runs.rglob("*"))}

        return sync

    def _checkpoints(self) -> bool:
        return any(self._runs.rglob("checkpoints/*.npz"))


def node(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


def lost_by_a_power_cut(run: Path, synced: Synced) -> list[str]:
    """Return the files and folders of a run that were not on the disk for sure, nor its name."""
    wanted = [path for path in run.rglob("*") if ".locks" not in path.parts]
    return sorted(str(path) for path in (run.parent, run, *wanted) if node(path.stat()) not in synced.nodes)


def test_a_fit_is_on_the_disk_before_its_checkpoints_go(tlk, photos, tiny_options, tmp_path, monkeypatch):
    synced = Synced(monkeypatch, tmp_path)
    done = tlk("fit", photos, *tiny_options, *OFTEN, "--name", "run", "--runs-dir", tmp_path)
    assert done.code == 0, done.err
    assert not list(tmp_path.rglob("checkpoints"))
    assert lost_by_a_power_cut(tmp_path / "run", synced) == []


def test_so_is_a_phase_and_what_it_changes_in_the_run(tlk, run, monkeypatch):
    before = {path: node(path.stat()) for path in run.rglob("*")}
    synced = Synced(monkeypatch, run)
    done = tlk("unfreeze-and-finetune", run, *OFTEN, "--learning-rate", "1e-3", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["kept"] in (True, False)
    assert not list(run.rglob("checkpoints"))
    new = [path for path in run.rglob("*") if before.get(path) != node(path.stat())]
    assert {path.name for path in new} >= {"2-finetune", "decision.json", "history.csv"}
    assert sorted(str(path) for path in (run / "phases", *new) if node(path.stat()) not in synced.nodes) == []
