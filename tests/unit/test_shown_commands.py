"""Every command line that the documents show is one that the project has."""

from __future__ import annotations

import re
import shlex
from importlib.util import find_spec
from pathlib import Path

import pytest

from bench.__main__ import BENCHMARKS
from commands.parser import parse

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "cloudbox" / "README.md", *ROOT.glob("docs/*.md")]
CODE = re.compile(r"```\w*\n(.*?)```|`([^`\n]+)`", re.DOTALL)
OWN_PACKAGES = {path.name for path in ROOT.iterdir() if (path / "__init__.py").is_file()}


def shown(pattern: str) -> list[tuple[str, str]]:
    """What the pattern's one group matches in the code of the documents, each time with the document."""
    return [
        (str(path.relative_to(ROOT)), text.strip())
        for path in sorted(DOCUMENTS)
        for block, span in CODE.findall(path.read_text(encoding="utf-8"))
        for text in re.findall(pattern, (block or span).replace("\\\n", " "), re.MULTILINE)
    ]


@pytest.mark.parametrize(("document", "arguments"), shown(r"python run\.py((?: [^\n|&;)>#`]*)?)"))
def test_a_command_takes_the_arguments_that_are_shown(document: str, arguments: str) -> None:
    assert parse(shlex.split(re.sub(r"[][]", "", arguments))).command  # [--json]: may be left out


@pytest.mark.parametrize(("document", "target"), shown(r"^make ([a-z-]+)"))
def test_make_has_the_target(document: str, target: str) -> None:
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize(("document", "module"), shown(r"python -m ([a-z_]+(?:\.[a-z_]+)*)"))
def test_a_module_is_there_to_be_run(document: str, module: str) -> None:
    path = ROOT / module.replace(".", "/")
    if module.partition(".")[0] in OWN_PACKAGES:
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()
    else:
        assert find_spec(module)


@pytest.mark.parametrize(("document", "name"), shown(r"--config ([\w./-]+\.yaml)"))
def test_a_configuration_is_there(document: str, name: str) -> None:
    if name.startswith("my-"):
        pytest.skip("stands for a file of the reader's")
    assert (ROOT / "configs" / name).is_file() or (ROOT / name).is_file()


@pytest.mark.parametrize("name", BENCHMARKS)
def test_each_benchmark_says_what_it_measures(name: str) -> None:
    assert ("docs/benchmarks.md", f"bench.{name}") in shown(r"python -m (bench\.[a-z_]+)")
