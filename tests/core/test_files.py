"""Files appear whole or not at all."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from contextlib import nullcontext
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
        "from tl_keras.core.files import write_text\n"
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


@pytest.mark.parametrize("destination_left", [True, False], ids=["after both renames", "between them"])
def test_a_kill_while_a_folder_is_replaced_does_not_stop_the_next(tmp_path, destination_left):
    target, old = tmp_path / "saved_model", tmp_path / ".saved_model.replaced"
    for folder in (target, old) if destination_left else (old,):
        folder.mkdir()
        (folder / "weights").write_text("old")
    for text in ("new", "newer"):
        with atomic_write(target) as aside:
            aside.mkdir()
            (aside / "weights").write_text(text)
        assert (target / "weights").read_text() == text
    assert [path.name for path in tmp_path.iterdir()] == ["saved_model"]


@pytest.fixture
def events(monkeypatch) -> list[str]:
    """Names of what is synced and renamed, in order."""
    found: list[str] = []

    def noted(descriptor: int) -> None:
        found.append(f"sync {Path(os.readlink(f'/proc/self/fd/{descriptor}')).name[-4:]}")

    def renamed(how):
        return lambda a, b: (found.append(f"rename {Path(b).name}"), how(a, b))[1]

    monkeypatch.setattr(os, "fsync", noted)
    for name in ("rename", "replace"):
        monkeypatch.setattr(os, name, renamed(getattr(os, name)))
    return found


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path, events):
    folder = tmp_path / "runs"
    write_text(folder / "a.txt", "text")
    assert events == ["sync .txt", "rename a.txt", "sync runs"]


def test_all_of_a_folder_is_on_the_disk_before_it_has_its_name(tmp_path, events):
    target = tmp_path / "runs" / "gold"
    (target / "old").mkdir(parents=True)
    with atomic_write(target) as aside:
        (aside / "deep").mkdir(parents=True)
        (aside / "deep" / "a.txt").touch()
        (aside / "link").symlink_to(tmp_path)
        (aside / "gone").symlink_to(tmp_path / "nowhere")
    assert sorted(events[:3]) == ["sync .txt", "sync deep", "sync gold"]
    assert events[3:] == ["rename .gold.replaced", "rename gold", "sync runs"]


def test_what_need_not_be_durable_is_not_waited_for(tmp_path, events):
    write_text(tmp_path / "a.txt", "text", durable=False)
    assert events == ["rename a.txt"]


@pytest.mark.parametrize(("number", "said"), [(errno.EIO, "Input/output error"), (errno.EINVAL, "")])
def test_a_disk_that_fails_is_told_from_one_that_need_not_be_waited_for(tmp_path, monkeypatch, number, said):
    def fails(_descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(RunError, match=f"a.txt: {said}") if said else nullcontext():
        write_text(tmp_path / "a.txt", "text")
    assert (tmp_path / "a.txt").exists() == (not said)
