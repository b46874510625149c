"""Every loading of a pretrained model, wherever in the repository, forbids the model's own code.

Left open, transformers asks on the terminal whether to run the code, and waits for a y.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("bench", "cloudbox", "commands", "evergreen", "orchestration", "pipelines", "stacks", "steps")
LOADING = {"from_pretrained", "from_config"}


def loadings() -> Iterator[tuple[str, ast.Call]]:
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            text = path.read_text(encoding="utf-8")
            for node in ast.walk(ast.parse(text)) if any(name in text for name in LOADING) else ():
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LOADING:
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def forbids(call: ast.Call) -> bool:
    return any(
        keyword.arg == "trust_remote_code" and isinstance(keyword.value, ast.Constant) and keyword.value.value is False
        for keyword in call.keywords
    )


def test_every_loading_of_a_model_forbids_its_code() -> None:
    calls = dict(loadings())
    assert len(calls) >= 8
    assert [place for place, call in calls.items() if not forbids(call)] == []
