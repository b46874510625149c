"""The library and the box as wheels: all that each needs, nothing of the other's, and one version."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

from evergreen.adapters.huggingface_publish.space import library_files
from evergreen.core.errors import InputError
from evergreen.preparation.wheel import library_wheel

ROOT = Path(__file__).parents[2]


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def test_the_wheel_of_workers_is_the_library_alone_and_equal_sources_give_equal_bytes(tmp_path: Path) -> None:
    first, second = library_wheel(tmp_path / "first"), library_wheel(tmp_path / "second")
    assert names(first) == library_files().keys()
    assert "evergreen/pages/templates/style.css" in names(first)
    assert first.read_bytes() == second.read_bytes()


def test_a_worker_with_the_library_s_own_dependencies_needs_no_index(tmp_path: Path) -> None:
    with zipfile.ZipFile(library_wheel(tmp_path)) as archive:
        (metadata,) = (archive.read(name).decode() for name in archive.namelist() if name.endswith("/METADATA"))
    wanted = re.findall(r"^Requires-Dist: ([\w.-]+==[\w.]+)$", metadata, re.MULTILINE)
    image = (ROOT / "infra" / "pipeline-requirements.txt").read_text("utf-8").splitlines()
    assert wanted
    assert set(wanted) <= set(image)


def test_a_library_that_lies_in_no_checkout_says_so(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no pyproject\.toml in .*; run this command in a checkout"):
        library_wheel(tmp_path, checkout=tmp_path)


def test_the_box_is_a_distribution_of_its_own(tmp_path: Path) -> None:
    (path,) = WheelBuilder(str(ROOT / "cloudbox")).build(directory=str(tmp_path), versions=["standard"])
    held = names(Path(path))
    sources = {file.relative_to(ROOT).as_posix() for file in (ROOT / "cloudbox").rglob("*.py")}
    assert sources < held
    data = {"compose.yaml", "fields/documented.json", "ledger/permissions.json"}
    assert held - sources == {f"cloudbox/{name}" for name in data}


def test_the_box_starts_from_its_wheel_alone(tmp_path: Path) -> None:
    (path,) = WheelBuilder(str(ROOT / "cloudbox")).build(directory=str(tmp_path), versions=["standard"])
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "installed")
    script = (
        "import cloudbox.__main__ as box; from cloudbox.services import zenml; "
        "print(box.__file__, zenml.COMPOSE, zenml.COMPOSE.is_file())"
    )
    place = tmp_path / "installed" / "cloudbox"
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(place.parent)}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [str(place / "__main__.py"), str(place / "compose.yaml"), "True"]


def test_every_task_begins_by_looking_whose_library_it_imports() -> None:
    from pipelines.training import training

    hook = training.configuration.init_hook_source
    assert hook is not None
    assert hook.import_path == "orchestration.uploaded_code.check_library"


def test_the_version_is_that_of_the_newest_entry_of_the_changelog() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    released = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert released[0] == version
