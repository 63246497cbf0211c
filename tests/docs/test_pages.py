"""The documentation is true: its commands and its Python run as written, its links lead somewhere."""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
from typing import Any

import click
import pytest

from tests.docs.conftest import FLOWERS
from tests.docs.pages import DOCS, PAGES, README, ROOT, anchors, blocks, commands, links, name, prose
from tl_keras.cli.main import tlk as program

CODE = [page for page in [README, *DOCS] if any(commands(b) or b.language == "python" for b in blocks(page))]
SHELL_OF = {page: [line for block in blocks(page) for line in commands(block)] for page in [README, *DOCS]}
SHELL = [line for lines in SHELL_OF.values() for line in lines]


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("page", CODE, ids=name)
def test_all_of_it_runs_as_written(page, workplace, tlk, request):
    if not any(re.search(r"--name flowers\b(?!-)", line) for line in SHELL_OF[page]):
        run = request.getfixturevalue("flowers")
        shutil.copytree(run, workplace / "saved_models" / "flowers")
    names: dict[str, Any] = {}
    for block in blocks(page):
        for line in commands(block):
            done = tlk(*shlex.split(line)[1:])
            assert done.code == 0, f"{page.name}: {line}\n{done.out}\n{done.err}"
        if block.language == "python":
            exec(compile("\n" * (block.line - 1) + block.text, page, "exec"), names)


@pytest.mark.parametrize("line", SHELL)
def test_every_shell_reads_a_command_alike(line):
    """zsh takes `[256]` for a pattern, bash `{a,b}` for two words."""
    bare = re.sub(r"'[^']*'|\"[^\"$`!\\]*\"", "", line)
    assert not re.search(r"[\[\]{}*?|<>~!$`'\"();&#]", bare), "quote it"


def test_the_run_of_the_examples_is_the_one_of_the_index():
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    assert f"tlk {FLOWERS}\n" in index


def test_generated_pages_are_current():
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None and spec.loader is not None
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    for file, text in generate.pages().items():
        assert file.read_text(encoding="utf-8") == text, "write it with: python docs/generate.py"


def test_every_setting_has_a_meaning_that_names_its_choices():
    text = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    rows = [
        re.split(r" (?<!\\)\| ", line.strip("| ")) for line in text.splitlines() if line.startswith("| `")
    ]
    settings = [row for row in rows if len(row) >= 4 and "a section" not in row[1]]
    assert len(settings) > 80
    for setting, values, _default, meaning, *_ in settings:
        assert meaning.endswith("."), setting
        choices = re.fullmatch(r"(`[^`]+`, )+`[^`]+`", values)
        for choice in re.findall(r"`([^`]+)`", values) if choices else ():
            assert choice in meaning or choice in ("true", "false"), f"{setting}: {choice}"


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page):
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_every_page_is_in_the_index():
    index = next(page for page in DOCS if page.name == "index.md")
    assert {page.name for page in DOCS} - {"index.md"} <= set(links(index))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_make_targets_exist(page):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"`make ([a-z-]+)`|^make ([a-z-]+)", text, re.MULTILINE):
        assert re.search(rf"^{''.join(target)}:", makefile, re.MULTILINE), target


@pytest.mark.parametrize("page", [README, *DOCS], ids=name)
def test_options_and_settings_exist(page):
    text = page.read_text(encoding="utf-8")
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", text)) <= _options() | {"--check"}
    from tl_keras.config.schema import Config

    for path in re.findall(r"\b(?:data|head|augment|train|finetune|runtime)(?:\.[a-z_0-9]+)+", prose(page)):
        if not path.endswith((".py", ".csv", ".md", ".yaml")):
            assert _is_setting(Config, path.split(".")), path


def _is_setting(section: Any, path: list[str]) -> bool:
    """Return whether a dotted path is a setting; what lies in a mapping, such as a class's weight, is one."""
    fields = getattr(section, "model_fields", None)
    if not path or fields is None:
        return True
    if path[0] not in fields:
        return False
    kinds = [fields[path[0]].annotation, *getattr(fields[path[0]].annotation, "__args__", ())]
    return _is_setting(next((k for k in kinds if hasattr(k, "model_fields")), None), path[1:])


def _options() -> set[str]:
    """Return every option of every command."""
    found, groups = set(), [program]
    while groups:
        for command in [group := groups.pop(), *group.commands.values()]:
            found |= {flag for option in command.params for flag in option.opts} | {"--help"}
            if isinstance(command, click.Group) and command is not group:
                groups.append(command)
    return found


def test_the_files_that_contributing_names_exist():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for path in re.findall(r"`([\w/]+\.(?:py|md|txt|toml|yaml))`", text):
        assert (ROOT / path).exists() or (ROOT / "tl_keras" / path).exists(), path


def test_the_readme_is_short():
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 150
