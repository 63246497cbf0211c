"""Kills every kind of training with `kill -9` at random moments, resumes it, and compares the end to the bit.

    python benchmarks/kill_and_resume.py --times 20 [--kinds fit finetune ...] [--seed 0]

On 300 of scikit-learn's digits. Each kind is run once without interruption. Then, so many times: it is
started, killed at a random moment between its start and its end, and gone on with by `tlk resume` (by the
same command where it was killed before it had a checkpoint). Equal are: every weight of the model,
`history.csv` and `predictions.csv`.
"""

from __future__ import annotations

import argparse
import io
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import h5py
import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

DATA = ("PHOTOS", "--backbone", "Tiny", "--seed", "1")
PER_CLASS = 30
OFTEN = ("--set", "runtime.checkpoint_minutes=0.005")
NEVER_EARLY = ("--set", "train.early_stopping=0")
STATEFUL = (
    "train.ema=0.9", "train.schedule.kind=plateau", "train.schedule.patience=1", "head.dropout=0.3",
    "augment.translation=0.1", "augment.rotation=5",
)  # fmt: skip
"""What has a state of its own: averages, callbacks, the random numbers of dropout and augmentation."""


def _set(*settings: str) -> tuple[str, ...]:
    return tuple(part for setting in settings for part in ("--set", setting))


STAGES = (
    "finetune.stages=[{epochs: 1, unfreeze: none}, {epochs: 2, unfreeze: 'blocks:1'}, "
    "{epochs: 2, unfreeze: all}]"
)
KINDS: dict[str, tuple[str, ...]] = {
    "fit": ("fit", *DATA, "--epochs", "600", *NEVER_EARLY),
    "fit, whole images": (
        "fit", *DATA, "--features", "off", "--epochs", "4", *NEVER_EARLY, *_set(*STATEFUL),
    ),
    "fit, all at once": (
        "fit", *DATA, "--transfer", "full",
        *_set("finetune.epochs=4", "finetune.unfreeze=all", "finetune.schedule.kind=cosine"),
        *_set("head.dropout=0.3", "finetune.learning_rate=1e-3"),
    ),
    "fine-tuning": (
        "unfreeze-and-finetune", "RUN", "--epochs", "5",
        *_set("finetune.unfreeze=blocks:2", "augment.translation=0.1", "finetune.learning_rate=1e-3"),
        *_set("finetune.ema=0.9", "finetune.l2_sp=0.1"),
    ),
    "fine-tuning in stages": (
        "unfreeze-and-finetune", "RUN", "--learning-rate", "1e-3", "--layer-lr-decay", "0.7",
        *_set(STAGES, "finetune.optimizer=adamw", "finetune.batchnorm=affine"),
    ),
    "pretrain": ("pretrain", *DATA, "--epochs", "3", *_set(*STATEFUL)),
}  # fmt: skip
NAME = "killed"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=list(KINDS))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        _write_photos(root / "photos")
        base = _base(root)
        for kind in options.kinds:
            _try(kind, base, root, options.times, chance)


def _write_photos(folder: Path) -> None:
    images, labels = load_digits(return_X_y=True)
    for label in range(10):
        (folder / str(label)).mkdir(parents=True)
        for number, row in enumerate(images[labels == label][:PER_CLASS]):
            picture = Image.fromarray((row.reshape(8, 8) * 15.9).astype(np.uint8)).resize((32, 32))
            picture.save(folder / str(label) / f"{number}.png")


def _base(root: Path) -> Path:
    """Return a finished run whose head has been trained, to be fine-tuned."""
    command = ("fit", *DATA, "--epochs", "20", *_set("head.dropout=0.3"))
    command = [str(root / "photos") if part == "PHOTOS" else part for part in command]
    _finish([*command, "--name", NAME, "--runs-dir", str(root / "base")], root / "base-cache")
    return root / "base" / NAME


def _try(kind: str, base: Path, root: Path, times: int, chance: random.Random) -> None:
    started = time.monotonic()
    wanted = _Attempt(kind, base, root / "wanted")
    _finish(wanted.command, wanted.cache)
    lasts = time.monotonic() - started
    equal, resumed, wrong = 0, 0, []
    for number in range(times):
        attempt = _Attempt(kind, base, root / "attempt")
        after = chance.uniform(1.0, lasts)
        killed = _start_and_kill(attempt, after)
        resumed += attempt.can_go_on()
        if killed:
            _finish(attempt.next_command(), attempt.cache)
        if attempt.outcome() == wanted.outcome():
            equal += 1
        else:
            wrong.append(f"{number} (killed after {after:.1f} s)")
        shutil.rmtree(attempt.root)
    print(
        f"{kind}: {equal} of {times} identical to the bit; {resumed} had a checkpoint to go on from; "
        f"a run takes {lasts:.0f} s{'; NOT: ' + ', '.join(wrong) if wrong else ''}",
        flush=True,
    )
    shutil.rmtree(wanted.root)


class _Attempt:
    """One training of a kind, in a folder of its own."""

    def __init__(self, kind: str, base: Path, root: Path) -> None:
        self.root, self.cache, self.runs = root, root / "cache", root / "runs"
        self.run = self.runs / NAME
        self.runs.mkdir(parents=True)
        self.finetunes = KINDS[kind][0] == "unfreeze-and-finetune"
        if self.finetunes:
            shutil.copytree(base, self.run)
            self.command = [str(self.run) if part == "RUN" else part for part in KINDS[kind]]
        else:
            photos = str(base.parents[1] / "photos")
            parts = [photos if part == "PHOTOS" else part for part in KINDS[kind]]
            self.command = [*parts, "--name", NAME, "--runs-dir", str(self.runs)]
        self.command += OFTEN

    def can_go_on(self) -> bool:
        unfinished = (self.run if self.finetunes else self.runs) / ".unfinished"
        return any(unfinished.rglob("checkpoints/*.npz"))

    def is_finished(self) -> bool:
        return any(self.run.glob("phases/2-*")) if self.finetunes else self.run.is_dir()

    def next_command(self) -> list[str]:
        resumes = self.can_go_on() or self.is_finished()
        return ["resume", str(self.run)] if resumes else self.command

    def outcome(self) -> list[bytes]:
        """Return the weights, the history and the predictions, as bytes."""
        phase = sorted(self.run.glob("phases/*"))[-1]
        histories = [(phase / "history.csv").read_bytes(), (self.run / "predictions.csv").read_bytes()]
        return [*histories, *_weights(phase / "model.keras"), *_weights(self.run / "model.keras")]


def _weights(model: Path) -> list[bytes]:
    found: list[bytes] = []
    with zipfile.ZipFile(model) as archive, h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as file:
        file.visititems(
            lambda name, item: (
                found.append(name.encode() + np.asarray(item).tobytes())
                if isinstance(item, h5py.Dataset)
                else None
            )
        )
    return found


def _process(command: list[str], cache: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tl_keras", *command],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"TLK_CACHE": str(cache)}, start_new_session=True,
    )  # fmt: skip


def _start_and_kill(attempt: _Attempt, after: float) -> bool:
    """Return whether it was killed; it may have ended before."""
    process = _process(attempt.command, attempt.cache)
    try:
        process.communicate(timeout=after)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return True
    return False


def _finish(command: list[str], cache: Path) -> None:
    process = _process(command, cache)
    _, said = process.communicate()
    if process.returncode:
        sys.exit(f"tlk {' '.join(command)} ended with {process.returncode}:\n{said}")


if __name__ == "__main__":
    main()
