"""How fast `tlk inspect` is, against reading the same bytes with `cat`.

    python benchmarks/inspection.py FOLDER [FOLDER ...]

Three times in turn: `cat`, the whole command as a user types it, with nothing known of the images, and once
more, when their contents are known. Prints medians, images/s, ratios and the peak of the command's memory.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPEATS = 3
COMMAND = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(done.returncode, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path)
    for folder in parser.parse_args().folders:
        measure(folder.resolve())


def measure(folder: Path) -> None:
    """Print the figures of one data set."""
    files = sum(1 for path in folder.rglob("*") if path.is_file())
    seconds: dict[str, list[float]] = {"cat": [], "cold": [], "warm": []}
    memory = 0
    for _ in range(REPEATS):
        with tempfile.TemporaryDirectory() as work:
            seconds["cat"].append(cat(folder))
            for kind in ("cold", "warm"):
                taken, megabytes = inspect(folder, Path(work))
                seconds[kind].append(taken)
                memory = max(memory, megabytes)
    median = {kind: statistics.median(taken) for kind, taken in seconds.items()}
    print(f"{folder.name}: {files:,} files, cat {median['cat']:.2f} s")
    for kind in ("cold", "warm"):
        rate, ratio = files / median[kind], median[kind] / median["cat"]
        every = " ".join(f"{taken:.2f}" for taken in seconds[kind])
        print(f"  {kind}: {median[kind]:.2f} s ({every}), {rate:,.0f} images/s, {ratio:.1f} x cat")
    print(f"  peak memory {memory} MB", flush=True)


def cat(folder: Path) -> float:
    started = time.perf_counter()
    with Path(os.devnull).open("wb") as nothing:
        find = subprocess.Popen(["find", str(folder), "-type", "f", "-print0"], stdout=subprocess.PIPE)
        subprocess.run(["xargs", "-0", "cat"], stdin=find.stdout, stdout=nothing, check=True)
    return time.perf_counter() - started


def inspect(folder: Path, work: Path) -> tuple[float, int]:
    """Return the seconds of the command, and the peak of its memory, MB."""
    command = [
        sys.executable,
        "-m",
        "tl_keras",
        "inspect",
        str(folder),
        "--issues",
        str(work / "issues.csv"),
        "--overwrite",
    ]
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, *command],
        env=os.environ | {"TLK_CACHE": str(work / "cache")}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    taken = time.perf_counter() - started
    code, megabytes = map(int, done.stdout.split())
    if code not in (0, 3):
        raise SystemExit(f"tlk inspect {folder} ended with {code}")
    return taken, megabytes


if __name__ == "__main__":
    main()
