"""Files appear whole or not at all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tl_keras.core.files import atomic_write, recover, write_text
from tl_keras.errors import RunError


def test_a_file_replaces_the_old_one_only_when_whole(tmp_path):
    target = tmp_path / "a.txt"
    write_text(target, "old")
    with pytest.raises(ZeroDivisionError), atomic_write(target) as aside:
        aside.write_text("half")
        raise ZeroDivisionError
    assert target.read_text() == "old"
    write_text(target, "new\r\n")
    assert target.read_bytes() == b"new\r\n"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_folder_replaces_a_folder(tmp_path):
    target = tmp_path / "run"
    for text in ("one", "two"):
        with atomic_write(target) as aside:
            aside.mkdir()
            (aside / text).write_text(text)
    assert [path.name for path in target.iterdir()] == ["two"]
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_the_ending_is_kept(tmp_path):
    with atomic_write(tmp_path / "model.keras") as aside:
        assert aside.suffix == ".keras"
        aside.touch()


def test_sweeping_takes_only_what_was_left_of_this_name(tmp_path):
    (tmp_path / ".0123abcd.run").mkdir()
    (tmp_path / ".0123abcd.run-2").mkdir()
    (tmp_path / "run").mkdir()
    recover(tmp_path / "run")
    assert {path.name for path in tmp_path.iterdir()} == {".0123abcd.run-2", "run"}


def test_a_place_that_cannot_be_written_is_named():
    with pytest.raises(RunError, match="Cannot write /proc/x/y"):
        write_text(Path("/proc/x/y"), "text")


def test_a_full_disk_is_explained_and_leaves_nothing(tmp_path):
    # A limit on the size of files is the nearest to a full disk that needs no privileges.
    code = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from tl_keras.errors import RunError\n"
        "from tl_keras.files import write_text\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n"
        "    write_text(Path(sys.argv[1]) / 'big.txt', 'x' * 100_000)\n"
        "except RunError as error:\n"
        "    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True)
    assert "big.txt: File too large" in done.stdout, done.stderr
    assert list(tmp_path.iterdir()) == []
