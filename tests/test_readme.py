"""The README is true: its commands run, its help text is the program's."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.commands.conftest import TINY
from tests.commands.tlk import Tlk
from tl_keras.cli.main import tlk as commands

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def commands_to_test() -> list[str]:
    blocks = re.findall(r"<!-- tested -->\n```sh\n(.*?)```", README, re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


@pytest.mark.slow
def test_every_command_in_order(monkeypatch, capfd, photos, tmp_path):
    shutil.copytree(photos, tmp_path / "photos")
    shutil.copytree(photos, tmp_path / "many_photos")
    shutil.copytree(photos / "red", tmp_path / "new_photos")
    monkeypatch.chdir(tmp_path)
    tlk = Tlk(monkeypatch, capfd)
    lines = commands_to_test()
    assert len(lines) >= 12
    for line in lines:
        program, *arguments = shlex.split(line)
        assert program == "tlk"
        done = tlk(*arguments, *shorter(arguments))
        assert done.code == 0, f"{line}\n{done.err}"


def shorter(arguments: list[str]) -> tuple[str, ...]:
    """Return options that leave a command as it is, but for one epoch and a network without a download."""
    if arguments[0] == "fit" and not {"Tiny", "saved_models/source"} & set(arguments):
        return TINY
    return ("--epochs", "1") if arguments[0] in ("fit", "pretrain", "unfreeze-and-finetune") else ()


def test_the_help_text_is_current():
    shown = re.search(r"<!-- help -->\n```\n(.*?)```", README, re.DOTALL)
    assert shown is not None
    text = CliRunner().invoke(commands, ["--help"], prog_name="tlk", terminal_width=100).output
    assert shown[1] == text, f"Put this into README.md:\n{text}"


@pytest.mark.parametrize("link", re.findall(r"\]\(([^)#:\s\"]+)\)", README))
def test_links_lead_somewhere(link):
    assert (ROOT / link).exists()


@pytest.mark.parametrize("target", re.findall(r"`?make (\w+)`?", README))
def test_make_targets_exist(target):
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
