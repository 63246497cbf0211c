"""Which test files need TensorFlow: the others are a lane of their own, which runs first, in seconds."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HEAVY = {"tensorflow", "keras"}
FIXTURES = {"alive", "finished", "run", "shipped", "tiny", "tlk"}
"""Fixtures that train, load a model or run a command."""
PROCESSES = {"tlk_process", "run_python", "start_workers"}
"""What starts a process that does."""


@cache
def needs_tensorflow(file: Path) -> bool:
    """Return whether a test file, or what it imports, imports TensorFlow or asks for what does."""
    tree = _tree(file)
    names = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    names |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    if names & (FIXTURES | PROCESSES):
        return True
    # A test imports inside its functions, too; what it imports is loaded with its top level alone.
    return any(_loads_tensorflow(module) for module in _modules(ast.walk(tree)))


@cache
def _loads_tensorflow(module: str) -> bool:
    if module.partition(".")[0] in HEAVY:
        return True
    file = _file(module)
    return file is not None and any(_loads_tensorflow(below) for below in _modules(_tree(file).body))


def _file(module: str) -> Path | None:
    if module.partition(".")[0] not in ("tl_keras", "tests"):
        return None
    path = ROOT / module.replace(".", "/")
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


@cache
def _tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def _modules(nodes: Iterable[ast.AST]) -> set[str]:
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found
