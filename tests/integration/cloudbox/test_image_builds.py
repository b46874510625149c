"""What the box's Cloud Build makes of a Dockerfile, and what it refuses as docker and Google do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cloudbox.errors import ApiError
from cloudbox.gateway.builds import _fill
from cloudbox.gateway.dockerfile import BuildError, Step, build

DOCKERFILE = """\
ARG BASE=python:3.11
ARG BASE_DIGEST
FROM ${BASE}@${BASE_DIGEST}
COPY requirements.txt \\
    notes.txt /opt/
COPY src /srv/src
WORKDIR /srv
ENTRYPOINT ["python", "-m", "src"]
"""
BASE = f"BASE_DIGEST=sha256:{'a' * 64}"


@pytest.fixture
def context(tmp_path: Path) -> Path:
    folder = tmp_path / "context"
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "__main__.py").write_text("print(1)")
    for name in ("requirements.txt", "notes.txt"):
        (folder / name).write_text(name)
    (folder / "Dockerfile").write_text(DOCKERFILE)
    return folder


def step(*arguments: str) -> Step:
    return Step.of("gcr.io/cloud-builders/docker", ["build", *arguments, "."])


def test_an_image_has_the_copied_files_below_its_working_directory_and_its_entry_point(
    context: Path, tmp_path: Path
) -> None:
    built = build(step("--tag=image:1", f"--build-arg={BASE}"), context, tmp_path / "image")
    assert built.code is not None
    assert sorted(str(path.relative_to(built.code)) for path in built.code.rglob("*.*")) == ["src/__main__.py"]
    assert (tmp_path / "image" / "opt" / "notes.txt").read_text() == "notes.txt"
    assert built.command == ["python", "-m", "src"]


def test_a_digest_is_that_of_the_contents(context: Path, tmp_path: Path) -> None:
    def digest(folder: str, base: str = BASE) -> str:
        return build(step(f"--build-arg={base}"), context, tmp_path / folder).digest

    first = digest("a")
    assert digest("b") == first
    assert digest("c", BASE.replace("a" * 64, "b" * 64)) != first
    (context / "src" / "__main__.py").write_text("print(2)")
    assert digest("d") != first


def test_what_docker_refuses_is_refused(context: Path, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="invalid reference format"):
        build(step(), context, tmp_path / "a")
    with pytest.raises(BuildError, match=r"Dockerfile path: other\.Dockerfile: no such file"):
        build(step("--file=other.Dockerfile"), context, tmp_path / "b")
    (context / "notes.txt").unlink()
    with pytest.raises(BuildError, match=r'"/notes\.txt": not found'):
        build(step(f"--build-arg={BASE}"), context, tmp_path / "c")


@pytest.mark.parametrize(
    ("builder", "args"),
    [("gcr.io/cloud-builders/gcloud", ["build", "."]), ("d/docker", ["push", "x"]), ("d/docker", ["build", "-q", "."])],
)
def test_a_step_that_the_box_cannot_do_is_refused_and_not_skipped(builder: str, args: list[str]) -> None:
    with pytest.raises(BuildError, match="the box"):
        Step.of(builder, args)


@pytest.mark.parametrize(
    ("given", "message"),
    [({}, 'key in the template "_TAG"'), ({"_TAG": "1", "_TGA": "2"}, 'key "_TGA" in the substitution data')],
)
def test_substitutions_have_to_match(given: dict[str, str], message: str) -> None:
    from google.cloud.devtools import cloudbuild_v1 as v1

    asked: Any = v1.Build(images=["i:${_TAG}"], steps=[v1.BuildStep(args=["--tag=i:${_TAG}"])], substitutions=given)
    with pytest.raises(ApiError, match=message):
        _fill(asked)
