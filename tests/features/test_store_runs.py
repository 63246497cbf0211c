"""Who uses stored features: no run is forgotten when several note it at once."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.commands.tlk import ROOT

PROCESSES, NAMES = 4, 40

# The one place where this test looks inside: no command notes so many runs within a second.
NOTE = """
import sys
from pathlib import Path
import numpy as np
from tl_keras.features.store import open_store
process = sys.argv[1]
about = {"backbone": "x", "shape": [1], "dtype": "float32"}
store = open_store(Path(sys.argv[2]), about, (1,), np.dtype("float32"))
if process == "0":
    store.add(["00" * 32], np.zeros((1, 1), np.float32))
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(sys.argv[3])):
    store.remember_user(Path(f"/runs/{process}-{number}"))
"""


def test_every_run_is_noted(tmp_path):
    cache = tmp_path / "features"
    started = []
    for process in range(PROCESSES):
        command = [sys.executable, "-c", NOTE, str(process), str(cache), str(NAMES)]
        started.append(
            subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=ROOT,
                env=dict(os.environ),
            )
        )
        assert started[-1].stdout is not None and started[-1].stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in started:
        process.communicate(timeout=60)
    assert [process.returncode for process in started] == [0] * PROCESSES
    (noted,) = [file.read_text().splitlines() for file in cache.glob("*/runs.txt")]
    assert sorted(noted) == sorted(f"/runs/{p}-{n}" for p in range(PROCESSES) for n in range(NAMES))
