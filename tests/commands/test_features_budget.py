"""The budget of stored features: what is stored already takes no more room."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.commands.look import chunks
from tests.commands.test_resume import stop

VIEWS = (
    "--unfreeze",
    "from:block3",
    "--epochs",
    "2",
    "--set",
    "augment.flip=horizontal",
    "--set",
    "augment.views=2",
)


@pytest.fixture
def run(tlk, cache, photos, tmp_path) -> Path:
    """A run whose features are in a cache of the test's own."""
    options = ("--backbone", "Tiny", "--epochs", 1, "--set", "head.dropout=0.1")
    assert tlk("fit", photos, *options, "--name", "run", "--runs-dir", tmp_path / "runs").code == 0
    assert cache.is_dir()
    return tmp_path / "runs" / "run"


def written(features: Path) -> dict[Path, int]:
    """Return the files of stored features, and when each was written."""
    return {file: file.stat().st_mtime_ns for file in chunks(features)}


def just_enough(features: Path) -> tuple[str, str]:
    """Return a budget that what is stored fits into, with less to spare than the views take."""
    taken = sum(file.stat().st_size for file in features.rglob("*") if file.is_file())
    return "--set", f"runtime.store_gb={(taken + 20_000) / 2**30!r}"


def test_the_same_fine_tuning_again_keeps_and_uses_its_views(tlk, cache, run):
    again = Path(shutil.copytree(run, run.parent / "again"))
    first = tlk("unfreeze-and-finetune", run, *VIEWS, "--epochs", 1)
    assert first.code == 0, first.err
    before = written(cache)
    assert len(before) == 4  # features of the head's phase, images at the boundary, and two views of them
    second = tlk("unfreeze-and-finetune", again, *VIEWS, "--epochs", 1, *just_enough(cache))
    assert second.code == 0, second.err
    assert "no room" not in second.err and "60 were stored, 0 are new" in second.err
    assert written(cache) == before, "nothing was removed, and nothing computed again"


@pytest.mark.slow
def test_going_on_keeps_and_uses_them_too(tlk, cache, run):
    long = ("--epochs", 3000, "--set", "finetune.early_stopping=0")
    again = Path(shutil.copytree(run, run.parent / "again"))
    assert tlk("unfreeze-and-finetune", again, *VIEWS, "--epochs", 1).code == 0
    before, budget = written(cache), just_enough(cache)
    import signal

    stop(signal.SIGKILL, run / ".unfinished", 0, "unfreeze-and-finetune", run, *VIEWS, *long, *budget)
    asked = run / ".unfinished" / "2-finetune" / "requested.yaml"
    asked.write_text(asked.read_text().replace("epochs: 3000", "epochs: 2"))
    done = tlk("resume", run)
    assert done.code == 0, done.err
    assert "resuming after an interruption" in done.err and "no room" not in done.err
    assert written(cache) == before
