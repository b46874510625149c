"""Whoever uses a member of a union asks it what it can do, and never which one it is."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDERS = ("commands", "evergreen", "orchestration", "pipelines", "stacks", "steps")
ROOT = "Settings"
"""What the settings of every union derive from."""


@cache
def trees() -> list[tuple[Path, ast.Module]]:
    files = sorted(path for folder in FOLDERS for path in (REPOSITORY / folder).rglob("*.py"))
    return [(file.relative_to(REPOSITORY), ast.parse(file.read_text(encoding="utf-8"))) for file in files]


def name_of(node: ast.expr) -> str:
    """`FilesSettings` of `FilesSettings`, `settings.FilesSettings` and `ReadSource[FilesSettings]`'s base."""
    if isinstance(node, ast.Subscript):
        return name_of(node.value)
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def members() -> set[str]:
    """Settings of the unions, and the classes that they name for a verb."""
    classes = {node.name: node for _, tree in trees() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
    subclasses = {ROOT}
    while grown := {name for name, node in classes.items() if subclasses & {*map(name_of, node.bases)}} - subclasses:
        subclasses |= grown
    named = {
        value.value.rpartition(":")[2]
        for name in subclasses & classes.keys()
        for value in ast.walk(classes[name])
        if isinstance(value, ast.Constant) and isinstance(value.value, str) and value.value.startswith("evergreen.")
    }
    return (subclasses | named) & classes.keys()


def questions(tree: ast.Module, names: set[str]) -> Iterator[str]:
    """Where code asks which member it has."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and name_of(node.func) == "isinstance":
            asked = {name_of(child) for child in ast.walk(node.args[1]) if isinstance(child, ast.Name | ast.Attribute)}
            if asked & names:
                yield f"{node.lineno}: isinstance of {asked & names}"
        elif isinstance(node, ast.MatchClass) and name_of(node.cls) in names:
            yield f"{node.lineno}: case {name_of(node.cls)}"
        elif isinstance(node, ast.Call) and name_of(node.func) == "getattr":
            if any(isinstance(argument, ast.Constant) and argument.value == "kind" for argument in node.args):
                yield f"{node.lineno}: getattr of kind"
        elif isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            spelled = any(isinstance(part, ast.Constant) for side in sides for part in ast.walk(side))
            if spelled and any(isinstance(side, ast.Attribute) and side.attr == "kind" for side in sides):
                yield f"{node.lineno}: kind compared with a name"


def test_nobody_asks_which_member_of_a_union_it_has() -> None:
    names = members()
    assert {"BigQuerySettings", "LocalHost", "TextClassification", "DataflowRunnerSettings", "FilesSource"} <= names
    excused = {Path("evergreen/core/kinds.py")}  # what makes the unions
    places = [f"{file}:{line}" for file, tree in trees() if file not in excused for line in questions(tree, names)]
    assert not places, "let a field or a method of the settings tell what differs:\n" + "\n".join(places)


@pytest.mark.parametrize(
    "code",
    [
        "isinstance(source, BigQuerySettings)",
        "isinstance(source, FilesSettings | settings.BigQuerySettings)",
        "source.kind == 'bigquery'",
        "source.kind in {'bigquery', 'files'}",
        "getattr(source, 'kind', None)",
        "match source:\n    case BigQuerySettings():\n        pass",
    ],
)
def test_such_a_question_is_noticed(code: str) -> None:
    assert list(questions(ast.parse(code), {"BigQuerySettings"}))
