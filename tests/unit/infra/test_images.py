"""The images cannot be built here; what their files say is held against the repository and the lock."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from packaging.version import Version

from tests.dockerfile import ROOT, Dockerfile

IMAGES = ("pipeline", "serving")
BUILT = ("pipeline", "dataflow", "serving")
SERVING = ["infra/serving-requirements.txt", "infra/serving-onnx-requirements.txt"]
NOT_TO_SERVE = {
    "gcsfs",
    "google-cloud-storage",
    "zenml",
    "mlflow",
    "kfp",
    "datasets",
    "duckdb",
    "pyarrow",
    "google-cloud-aiplatform",
    "google-cloud-bigquery",
}


def tracked() -> set[str]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],  # noqa: S607 (git of the PATH)
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(listed.stdout.splitlines())


def requirements(path: str) -> set[str]:
    return set((ROOT / path).read_text("utf-8").split())


@pytest.mark.parametrize("image", IMAGES)
def test_every_copied_path_is_in_the_repository_and_passes_the_ignore_file(image: str) -> None:
    dockerfile, names = Dockerfile.of(image), tracked()
    sources = [source for source, _ in dockerfile.copies]
    assert sources
    assert [
        source for source in sources if not any(name == source or name.startswith(f"{source}/") for name in names)
    ] == []
    assert set(sources) == dockerfile.let_through


@pytest.mark.parametrize("image", IMAGES)
def test_the_base_is_pinned_by_a_digest_that_the_builder_must_give(image: str) -> None:
    dockerfile = Dockerfile.of(image)
    assert dockerfile.all("FROM") == ["${DOCKER_HUB}/${BASE}@${BASE_DIGEST}"]
    assert "BASE_DIGEST" in dockerfile.all("ARG")


@pytest.mark.parametrize("image", IMAGES)
def test_the_last_user_is_not_root(image: str) -> None:
    assert Dockerfile.of(image).all("USER")[-1] not in {"root", "0"}


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_holds_locked_versions_only(image: str) -> None:
    wanted = requirements(f"infra/{image}-requirements.txt")
    assert any(line.startswith("torch==") for line in wanted)
    others = {line.partition("==")[0] for line in wanted - requirements("requirements-dev.lock")}
    assert others == ({"urllib3"} if image == "serving" else set())


def test_the_server_s_image_is_not_held_back_by_what_only_zenml_refuses() -> None:
    for path in SERVING:
        (urllib3,) = [line for line in requirements(path) if line.startswith("urllib3==")]
        assert Version(urllib3.partition("==")[2]) >= Version("2.6")


def test_the_pipeline_s_image_holds_dependencies_only() -> None:
    sources = [source for source, _ in Dockerfile.of("pipeline").copies]
    assert sources == ["infra/pipeline-requirements.txt", "requirements-weights.lock"]
    assert not [
        line for line in requirements("infra/pipeline-requirements.txt") if line.startswith(("evergreen", "-e"))
    ]


def test_the_serving_image_copies_the_library_alone_and_leaves_what_only_pipelines_need() -> None:
    assert [source for source, _ in Dockerfile.of("serving").copies] == [*SERVING, "evergreen"]
    for lines in map(requirements, SERVING):
        assert {line.partition("==")[0] for line in lines} & NOT_TO_SERVE == set()


def test_the_serving_image_without_torch_is_a_part_of_the_one_with_it() -> None:
    whole, part = map(requirements, SERVING)
    assert part < whole
    assert {line.partition("==")[0] for line in whole - part} >= {"torch", "transformers", "safetensors"}
    (checked,) = [rest for rest in Dockerfile.of("serving").all("RUN") if "ENGINE" in rest]
    assert "torch)" in checked
    assert "onnx)" in checked


def test_cloud_build_builds_every_image_and_pushes_what_it_built() -> None:
    build = yaml.safe_load((ROOT / "infra" / "cloudbuild.yaml").read_text("utf-8"))
    arguments = [argument for step in build["steps"] for argument in step["args"]]
    files = {argument.partition("=")[2] for argument in arguments if argument.startswith("--file=")}
    assert files == {f"infra/{image}.Dockerfile" for image in BUILT}
    assert {argument.partition("=")[2] for argument in arguments if argument.startswith("--tag=")} == {
        *build["images"],
        "pipeline-cpu",
    }
    given = {argument.split("=")[1] for argument in arguments if argument.startswith("--build-arg=")}
    known = {argument.partition("=")[0] for image in BUILT for argument in Dockerfile.of(image).all("ARG")}
    assert given <= known
    used = set(re.findall(r"\$\{(_\w+)\}", " ".join([*arguments, *build["images"]])))
    assert used == {*build["substitutions"], "_REGISTRY", "_TAG", "_BASE_DIGEST", "_BEAM_DIGEST"}


def test_workers_of_dataflow_run_the_pipelines_image_with_the_beam_of_the_lock() -> None:
    dockerfile = Dockerfile.of("dataflow")
    locked = dict(line.split("==") for line in requirements("requirements-dev.lock") if "==" in line)
    assert dockerfile.all("FROM") == ["${DOCKER_HUB}/${BEAM}@${BEAM_DIGEST} AS beam", "${PIPELINE}"]
    assert f"BEAM=apache/beam_python3.11_sdk:{locked['apache-beam']}" in dockerfile.all("ARG")
    assert dockerfile.entrypoint == ["/opt/apache/beam/boot"]
    steps = {
        step["id"]: step for step in yaml.safe_load((ROOT / "infra" / "cloudbuild.yaml").read_text("utf-8"))["steps"]
    }
    assert steps["dataflow"]["waitFor"] == ["pipeline-cpu"]
    (base,) = [argument.partition("PIPELINE=")[2] for argument in steps["dataflow"]["args"] if "PIPELINE=" in argument]
    assert f"--tag={base}" in steps["pipeline-cpu"]["args"]
    assert "--build-arg=TORCH_INDEX=https://download.pytorch.org/whl/cpu" in steps["pipeline-cpu"]["args"]
    shared = [argument for argument in steps["pipeline"]["args"] if not re.search("TORCH_INDEX|--tag", argument)]
    assert [
        argument for argument in steps["pipeline-cpu"]["args"] if not re.search("TORCH_INDEX|--tag", argument)
    ] == shared


def test_compose_reaches_files_that_exist_and_opens_no_server_without_tls_to_the_network() -> None:
    compose = yaml.safe_load((ROOT / "infra" / "compose.yaml").read_text("utf-8"))
    services = compose["services"]
    assert {"zenml", "mlflow", "serving"} <= set(services)
    assert (ROOT / services["serving"]["build"]["dockerfile"]).is_file()
    for name, service in services.items():
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            if source.startswith("./"):
                assert (ROOT / "infra" / source).is_file(), volume
            elif not source.startswith("$"):
                assert source in compose["volumes"]
        if name != "caddy":
            assert all(port.startswith("127.0.0.1:") for port in service["ports"])


def test_compose_runs_the_zenml_and_mlflow_versions_of_the_lock() -> None:
    services = yaml.safe_load((ROOT / "infra" / "compose.yaml").read_text("utf-8"))["services"]
    locked = dict(line.split("==") for line in requirements("requirements-dev.lock"))
    assert services["zenml"]["image"].rpartition(":")[2] == locked["zenml"]
    assert services["mlflow"]["image"].rpartition(":")[2] == f"v{locked['mlflow']}"


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("hadolint", [f"infra/{image}.Dockerfile" for image in BUILT]),
        ("check-jsonschema", ["--builtin-schema", "vendor.compose-spec", "infra/compose.yaml"]),
        ("check-jsonschema", ["--builtin-schema", "vendor.cloudbuild", "infra/cloudbuild.yaml"]),
    ],
)
def test_the_linters_have_nothing_to_say(tool: str, arguments: list[str]) -> None:
    program = shutil.which(tool, path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    if program is None:
        pytest.skip(f"{tool} is not installed (make install-dev)")
    done = subprocess.run([program, *arguments], cwd=Path(ROOT), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
