"""The arrows: which room of the package may import which."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "tl_keras"
# Imports go down only, and rooms of one floor do not know each other.
FLOORS = [
    {"cli"},
    {"workflows"},
    {"phases", "exporting"},
    {"runs"},
    {"inspection"},
    {"training", "features", "evaluation", "inference"},
    {"models", "data", "distributed"},
    {"config", "report"},
    {"core"},
    {"errors", "version"},
]
HEAVY = {"tensorflow", "keras", "tensorflow_datasets", "sklearn", "scipy", "pydantic", "rich", "numpy", "PIL"}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room(file: Path) -> str:
    return file.relative_to(PACKAGE).with_suffix("").parts[0]


def floor(name: str) -> int:
    return next(index for index, names in enumerate(FLOORS) if name in names)


def imports(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def imports_of(file: Path) -> set[str]:
    return imports(ast.parse(file.read_text(encoding="utf-8")))


def rooms_imported(file: Path) -> set[str]:
    rooms = {name.split(".")[1] for name in imports_of(file) if name.startswith("tl_keras.")}
    return {name for name in rooms if (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").is_file()}


@pytest.mark.parametrize("file", modules(), ids=lambda file: str(file.relative_to(PACKAGE)))
def test_arrows_go_down(file: Path) -> None:
    own = room(file)
    if own in ("__init__", "__main__"):
        return
    for other in rooms_imported(file) - {own}:
        assert floor(other) > floor(own), f"{own} must not import {other}"


def test_only_rooms_below_phases_wait_for_workers() -> None:
    waiting = {room(file) for file in modules() if "tl_keras.distributed.collectives" in imports_of(file)}
    assert waiting <= {"runs", "training", "features", "distributed"}


def test_every_room_has_a_floor_and_says_what_it_is_for() -> None:
    for folder in {file.parent for file in modules()} - {PACKAGE}:
        floor(folder.relative_to(PACKAGE).parts[0])
        plate = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))
        assert plate, f"{folder} does not say what belongs into it"


def test_nothing_lies_loose_at_the_top() -> None:
    assert {file.stem for file in PACKAGE.glob("*.py")} == {"__init__", "__main__", "errors", "version"}


@pytest.mark.parametrize("file", sorted((PACKAGE / "cli").rglob("*.py")), ids=lambda file: file.name)
def test_commands_know_only_what_any_python_user_may(file: Path) -> None:
    """They call `tl_keras.fit` and so on, types included; besides that they read options and print."""
    assert rooms_imported(file) <= {"cli", "config", "core", "errors", "version"}
    assert not {name for name in imports_of(file) if name.startswith("tl_keras.config.schema")}


def test_json_is_made_by_the_results() -> None:
    makers = [
        file.name
        for file in (PACKAGE / "cli").rglob("*.py")
        if {"json", "dataclasses.asdict"} & imports_of(file)
    ]
    assert makers == ["common.py"]


@pytest.mark.parametrize("file", sorted((PACKAGE / "cli").rglob("*.py")), ids=lambda file: file.name)
def test_commands_import_nothing_heavy_at_the_top(file: Path) -> None:
    top = ast.parse(file.read_text(encoding="utf-8")).body
    statements = [node for node in top if isinstance(node, ast.Import | ast.ImportFrom)]
    names = imports(ast.Module(body=statements, type_ignores=[]))
    assert not {name.split(".")[0] for name in names} & HEAVY
    assert not {name for name in names if name.startswith("tl_keras.config")}
