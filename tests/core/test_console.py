"""What is printed where, and when nothing is."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tl_keras.core import console


@pytest.fixture(autouse=True)
def talkative():
    """Leave the console as it was."""
    yield
    console.set_verbosity(1)
    console.mute_worker(False)


def speak() -> None:
    console.say("said")
    console.warn("warned")
    console.result("found")
    console.fail("failed")
    with console.progress("working", 3) as advance:
        advance(3)


def test_everything_is_said(capsys):
    speak()
    out, err = capsys.readouterr()
    assert out == "found\n" and err == "said\nNote: warned\nError: failed\n"


def test_quiet_leaves_results_and_errors(capsys):
    console.set_verbosity(0)
    speak()
    out, err = capsys.readouterr()
    assert out == "found\n" and err == "Error: failed\n"


def test_a_worker_leaves_errors_alone(capsys):
    console.mute_worker(True)
    speak()
    assert capsys.readouterr() == ("", "Error: failed\n")


def test_a_worker_that_trains_alone_later_speaks_again_as_the_user_wishes(capsys):
    console.set_verbosity(0)
    console.mute_worker(True)
    console.mute_worker(False)
    console.say("said")
    console.result("found")
    assert capsys.readouterr() == ("found\n", "")


def test_no_bar_is_drawn_when_quiet(monkeypatch):
    monkeypatch.setattr(console, "_console", lambda **_: SimpleNamespace(is_terminal=True))
    monkeypatch.setattr(console, "_bar", lambda *_: pytest.fail("a bar"))
    console.set_verbosity(0)
    with console.progress("working", 3) as advance:
        advance(3)
