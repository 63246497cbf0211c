"""Feeds damaged and random files to `tlk inspect` for as long as wanted:

    python -m tests.inspection.fuzz --minutes 10 [--seed 1] [--out offenders/]

Round by round 200 files are made with new random numbers, judged one by one in a child process with limits of
memory and time, and then by the command itself. What goes wrong is kept and named; the exit code is 1.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

from tests.images import class_folders
from tests.inspection.damage import damaged, whole_files

FILES = 200
SECONDS, MEMORY = 60, 2**31
"""For a round; it usually takes one or two seconds, and 300 MB."""
JUDGE = """
import json, sys
from pathlib import Path
from tests.inspection.test_damage import verdict
for name in sorted(Path(sys.argv[1]).iterdir()):
    print(json.dumps([name.name, None]), flush=True)
    print(json.dumps([name.name, verdict(name.read_bytes())]), flush=True)
"""


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("offenders"))
    args = parser.parse_args()
    end, verdicts, bad, number = time.monotonic() + 60 * args.minutes, Counter[str](), 0, args.seed
    while time.monotonic() < end:
        with tempfile.TemporaryDirectory() as work:
            bad += round_of_files(Path(work), number, args.out, verdicts)
        number += 1
    for verdict, count in verdicts.most_common():
        print(f"{count:8,}  {verdict}")
    print(f"{number - args.seed} rounds of {FILES} files, {bad} went wrong")
    return bad > 0


def round_of_files(work: Path, seed: int, out: Path, verdicts: Counter[str]) -> int:
    """Make the files of a round and judge them; return how often something went wrong."""
    rng = np.random.default_rng(seed)
    data = class_folders(work / "data", per_class=4)
    whole = whole_files()
    for index in range(FILES):
        name = list(whole)[index % len(whole)]
        noise = rng.bytes(int(rng.integers(0, 3000)))
        content = noise if index % 10 == 0 else damaged(whole[name], rng)
        (data / "red" / f"{index:03d}_{name}").write_bytes(content)
    judged = run([sys.executable, "-c", JUDGE, str(data / "red")], work)
    lines = [json.loads(line) for line in judged.stdout.splitlines()]
    for name, reason in lines:
        if reason is not None:
            verdicts[f"{name.rpartition('.')[2]:5} {reason.partition(':')[0][:40] or 'readable'}"] += 1
    wrong = int(judged.returncode != 0)
    if wrong:
        keep(data / "red" / lines[-1][0], out, seed, judged.stderr)
    command = [sys.executable, "-m", "tl_keras", "inspect", str(data), "--issues", str(work / "issues.csv")]
    inspected = run([*command, "--sheet", str(work / "sheet.png"), "--json"], work)
    if inspected.returncode not in (0, 3) or "Traceback" in inspected.stderr or not agrees(inspected, work):
        keep(data, out, seed, inspected.stderr)
        wrong += 1
    return wrong


def run(command: list[str], work: Path) -> subprocess.CompletedProcess[str]:
    """Run a command with limits of memory and time."""
    limited = {"TLK_CACHE": str(work / "cache"), "PYTHONPATH": os.getcwd()}
    try:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=SECONDS, env=os.environ | limited,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY)),
        )  # fmt: skip
    except subprocess.TimeoutExpired as slow:
        return subprocess.CompletedProcess(command, -1, (slow.stdout or b"").decode(), "took too long")


def agrees(done: subprocess.CompletedProcess[str], work: Path) -> bool:
    """Return whether every file is accounted for, and the table says the same as the JSON."""
    found = json.loads(done.stdout)
    errors = sum(finding["severity"] == "error" for finding in found["findings"])
    with (work / "issues.csv").open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    return (
        found["images"] == FILES + 8
        and len(rows) == len(found["findings"])
        and errors >= FILES + 8 - found["readable"]
    )


def keep(offender: Path, out: Path, seed: int, errors: str) -> None:
    target = out / f"{seed}_{offender.name}"
    target.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run(["cp", "-r", str(offender), str(target)], check=False)
    print(f"seed {seed}: {target}\\n{errors[-2000:]}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
