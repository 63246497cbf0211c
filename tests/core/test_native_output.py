from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tl_keras.core.native_output import suppress_native_output
from tl_keras.errors import ModelError


def _chatter() -> None:
    os.write(1, b"native on stdout\n")
    os.write(2, b"native on stderr\n")


def test_nothing_is_shown_and_the_terminal_comes_back(capfd):
    with suppress_native_output():
        _chatter()
    os.write(1, b"after\n")
    assert capfd.readouterr() == ("after\n", "")


def test_what_was_held_back_is_shown_with_an_unexpected_error(capfd):
    with pytest.raises(ZeroDivisionError), suppress_native_output():
        _chatter()
        raise ZeroDivisionError
    out, err = capfd.readouterr()
    assert out == ""
    assert "native on stderr" in err
    assert "native on stdout" in err


def test_our_own_errors_speak_for_themselves(capfd):
    with pytest.raises(ModelError), suppress_native_output():
        _chatter()
        raise ModelError("expected this, found that")
    assert capfd.readouterr() == ("", "")


def test_debug_shows_everything(capfd, monkeypatch):
    monkeypatch.setenv("TLK_DEBUG", "1")
    with suppress_native_output():
        _chatter()
    assert "native on stdout" in capfd.readouterr().out


def test_what_python_prints_is_held_back_too():
    code = (
        "import sys, warnings\n"
        "from tl_keras.core.native_output import suppress_native_output\n"
        "print('before')\n"
        "with suppress_native_output():\n"
        "    print('inside')\n"
        "    warnings.warn('inside')\n"
        "print('after')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("before\nafter\n", "")
