"""The arrows: which part of the package may import which."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "tl_keras"
BASE = {
    "config",
    "run",
    "unfinished",
    "model_info",
    "geometry",
    "files",
    "console",
    "errors",
    "runtime",
    "quiet",
    "constant_weights",
    "version",
}
LEVELS = [
    {"cli"},
    {"workflows"},
    {"training", "evaluation", "exporting", "report", "inspection"},
    {"inference", "features", "models", "data"},
    BASE,
]
# Rooms of one level do not know each other, but for these.
BESIDE = {("features", "models"), ("features", "data")}
HEAVY = {"tensorflow", "keras", "tensorflow_datasets", "sklearn", "scipy", "pydantic", "rich", "numpy", "PIL"}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room(file: Path) -> str:
    return file.relative_to(PACKAGE).with_suffix("").parts[0]


def level(name: str) -> int:
    return next(index for index, names in enumerate(LEVELS) if name in names)


def imports(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names if node.module == "tl_keras"}
    return found


def rooms_imported(file: Path) -> set[str]:
    names = imports(ast.parse(file.read_text(encoding="utf-8")))
    rooms = {name.split(".")[1] for name in names if name.startswith("tl_keras.")}
    return {name for name in rooms if (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").is_file()}


@pytest.mark.parametrize("file", modules(), ids=lambda file: str(file.relative_to(PACKAGE)))
def test_arrows_go_down(file: Path) -> None:
    own = room(file)
    if own in ("__init__", "__main__"):
        return
    for other in rooms_imported(file) - {own}:
        down = level(other) > level(own)
        among_base = level(own) == len(LEVELS) - 1 and level(other) == level(own)
        assert down or among_base or (own, other) in BESIDE, f"{own} must not import {other}"


def test_every_file_has_a_place() -> None:
    for file in modules():
        if room(file) not in ("__init__", "__main__"):
            level(room(file))


@pytest.mark.parametrize("file", sorted((PACKAGE / "cli").glob("*.py")), ids=lambda file: file.name)
def test_commands_import_nothing_heavy_at_the_top(file: Path) -> None:
    top = ast.parse(file.read_text(encoding="utf-8")).body
    statements = [node for node in top if isinstance(node, ast.Import | ast.ImportFrom)]
    names = imports(ast.Module(body=statements, type_ignores=[]))
    assert not {name.split(".")[0] for name in names} & HEAVY
    assert not {name for name in names if name.startswith(("tl_keras.workflows", "tl_keras.config"))}
