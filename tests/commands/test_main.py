"""Help, start-up and what becomes of errors."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from tests.commands.tlk import ROOT, heed_interrupts, tlk_process
from tl_keras.cli.main import tlk as commands


def test_help_does_not_import_tensorflow():
    code = (
        "import sys; sys.argv = ['tlk', '--help']\n"
        "from tl_keras.cli.main import run\n"
        "run()\n"
        "heavy = {'tensorflow', 'keras', 'pydantic', 'rich', 'numpy'} & set(sys.modules)\n"
        "print('HEAVY', sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0
    assert "unfreeze-and-finetune" in done.stdout
    assert "HEAVY []" in done.stdout


@pytest.mark.parametrize("name", list(commands.commands))
def test_every_command_has_help(tlk, name):
    done = tlk(name, "--help")
    assert done.code == 0 and f"Usage: tlk {name}" in done.out


def test_unknown_commands_and_options_are_usage_errors(tlk):
    assert tlk("fitt").code == 2
    assert tlk("fit", "--no-such-option").code == 2
    assert tlk("export", "x", "--format", "gguf").code == 2


def test_version(tlk):
    from tl_keras.version import __version__

    assert tlk("--version").out.strip().endswith(__version__)


def test_errors_are_text_and_debug_shows_the_traceback(tlk, tmp_path):
    plain = tlk("fit", tmp_path / "nowhere")
    assert plain.code == 1 and "Not found" in plain.err and "Traceback" not in plain.err
    debug = tlk("fit", tmp_path / "nowhere", "--debug")
    assert debug.code == 1 and "Traceback" in debug.err and "Not found" in debug.err


@pytest.mark.slow
@pytest.mark.parametrize(("sent", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_fit_leaves_what_it_can_go_on_from(photos, tmp_path, tiny_options, sent, code):
    command = slow_fit(("fit", photos, *tiny_options, "--runs-dir", tmp_path / "runs"))
    process = subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, cwd=ROOT, preexec_fn=heed_interrupts
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("epoch "):
            break
    process.send_signal(sent)
    rest = process.communicate(timeout=300)[1]
    assert process.returncode == code
    assert "Traceback" not in rest
    left = [path.name for path in (tmp_path / "runs").iterdir() if path.name != ".locks"]
    assert left == [".unfinished"] and list((tmp_path / "runs" / ".unfinished").rglob("*.npz"))
    assert "resume with: tlk resume" in rest


def slow_fit(options: tuple) -> list[str]:
    """Return the command of a fit that does not end by itself within minutes."""
    more = ("--epochs", "100000", "--set", "train.early_stopping=0")
    return [sys.executable, "-m", "tl_keras", *map(str, (*options, *more))]


@pytest.mark.slow
def test_what_a_killed_fit_left_can_be_given_up(photos, tmp_path, tiny_options):
    options = ("fit", photos, *tiny_options, "--runs-dir", tmp_path / "runs", "--name", "r")
    command = slow_fit(options)
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("epoch "):
            break
    process.kill()
    process.communicate()
    assert len(list((tmp_path / "runs").iterdir())) == 2
    refused = tlk_process(*options)
    assert refused.code == 1 and "train.epochs: 100000 there, 1 asked for" in refused.err
    assert tlk_process(*options, "--overwrite").code == 0
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {".locks", "r"}


@pytest.mark.slow
def test_two_processes_do_not_write_one_run(photos, tmp_path, tiny_options):
    options = ("fit", photos, *tiny_options, "--runs-dir", tmp_path / "runs", "--name", "r")
    command = slow_fit(options)
    first = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT, preexec_fn=heed_interrupts)
    assert first.stderr is not None
    first.stderr.readline()
    second = tlk_process(*options)
    beside = tlk_process(*options[:-2])
    first.send_signal(signal.SIGINT)
    first.communicate()
    assert second.code == 1 and "being written by process" in second.err
    assert beside.code == 0, "a run without a name of its own takes another"


def test_a_closed_pipe_is_no_error():
    process = subprocess.Popen(
        f"{sys.executable} -m tl_keras backbones --json | head -1", shell=True, cwd=ROOT,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    _, err = process.communicate(timeout=60)
    assert err == ""
