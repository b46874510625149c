"""Test modules can be moved, split and deleted: what several of them need is in modules that hold no tests."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parents[1]
NAMED = re.compile(r"(?<!def )\btest_")
"""What may be the name of a test module; a module without it is not parsed."""


def imported(source: str) -> Iterator[str]:
    """The names of the modules that a module imports, and of what it imports from them, with dots."""
    if not NAMED.search(source):
        return
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module or ''}.{alias.name}" for alias in node.names)


def test_no_module_imports_from_a_test_module() -> None:
    modules = {path.stem for path in TESTS.rglob("test_*.py")}
    assert "test_versions" in modules
    taken = {
        f"{path.relative_to(TESTS)} imports {name}"
        for path in TESTS.rglob("*.py")
        for name in imported(path.read_text(encoding="utf-8"))
        if not modules.isdisjoint(name.split("."))
    }
    assert not taken
