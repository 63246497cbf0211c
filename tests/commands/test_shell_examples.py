"""Commands in the documentation can be pasted into a shell: what it would expand is quoted.

zsh, the shell of macOS, refuses `[...]`, `*` and `?` that match no file; every shell splits `{a: 1}`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from tests.commands.tlk import ROOT
from tl_keras.cli.main import tlk as commands

DOCUMENTS = sorted(
    file
    for pattern in ("*.md", "docs/**/*.md", "configs/*", "benchmarks/*.md", "saved_models/*.md")
    for file in ROOT.glob(pattern)
    if file.suffix in (".md", ".yaml", ".sh")
)
BLOCK = re.compile(r"^```(?:sh|bash|shell|console)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"(`+)(.+?)\1", re.DOTALL)


def expanded_by_a_shell(command: str) -> str:
    """Return the characters of a command that a shell may expand, since nothing quotes them."""
    found, quote, skip = "", "", False
    for position, sign in enumerate(command):
        if skip:
            skip = False
        elif sign == "\\" and quote != "'":
            skip = True
        elif quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
        elif sign == "#" and (position == 0 or command[position - 1] in " \n"):
            break  # a comment
        elif sign in "[{*?" and command[position - 1 : position] != "$":
            found += sign
    return found


@pytest.mark.parametrize(
    ("command", "found"),
    [
        ("tlk fit --set head.hidden=[256]", "["),
        ("tlk fit --set 'head.hidden=[256]'", ""),
        ('tlk fit --set head.hidden="[256]"  # why not?', ""),
        ("tlk fit --set train.class_weight={rose: 5}", "{"),
        ("tlk predict RUN *.jpg", "*"),
        (r"tlk predict RUN \*.jpg", ""),
        ("tlk predict RUN new?.jpg", "?"),
    ],
)
def test_what_a_shell_expands(command, found):
    assert expanded_by_a_shell(command) == found


def is_command(text: str) -> bool:
    return text.startswith(("tlk ", "--")) or " --set " in text


def commands_in(file: Path) -> Iterator[str]:
    """Yield the commands, and options with values, of a document or a commented file."""
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".md":
        for block in BLOCK.findall(text):
            yield from block.replace("\\\n", " ").splitlines()
        text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
        yield from (code for _, code in INLINE.findall(text) if is_command(code))
        return
    for line in text.splitlines():
        comment = line.partition("#")[2].strip()
        told = comment.partition(":")[2].strip() if re.match(r"\w+: +tlk ", comment) else comment
        yield from (part for part in (told, line.strip()) if is_command(part))


@pytest.mark.parametrize("file", DOCUMENTS, ids=lambda file: str(file.relative_to(ROOT)))
def test_what_documents_show_is_quoted(file):
    assert [command for command in commands_in(file) if expanded_by_a_shell(command)] == []


def shown_in_help(name: str) -> Iterator[str]:
    """Yield the commands and `--set PATH=VALUE` of a command's help text."""
    arguments = [*([name] if name else []), "--help"]
    text = CliRunner().invoke(commands, arguments, prog_name="tlk", terminal_width=1000).output
    for line in text.splitlines():
        if line.strip().startswith("tlk "):
            yield re.split(r" {3,}", line.strip())[0]
        yield from re.findall(r"--set (?!PATH)\S.*?(?=[.,;)] |[.,;)]?$)", line)


@pytest.mark.parametrize("name", ["", *sorted(commands.commands)])
def test_what_help_texts_show_is_quoted(name):
    assert isinstance(commands, click.Group)
    assert [command for command in shown_in_help(name) if expanded_by_a_shell(command)] == []


def test_there_is_something_to_look_at():
    assert sum(1 for file in DOCUMENTS for _ in commands_in(file)) > 20
    assert sum(1 for _ in shown_in_help("")) >= 5
