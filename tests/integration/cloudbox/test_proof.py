"""What `make gcp` does in a project, done in the box: its removal, its configurations, and the answers that it records.

The box is held against what Google answered, where somebody with a project has recorded that.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cloudbox import environment
from cloudbox.box import Box
from evergreen.adapters.vertex.endpoint import VertexEndpoint
from orchestration.configuration import load
from orchestration.document import PLACEHOLDER
from tests.hosted_trial import BUCKET, HostedTrial
from tests.proof import removal
from tests.proof.cassettes import FILE, differences, read
from tests.proof.plan import LABEL, MODELS, TRAINER, write_small
from tests.proof.removal import Place
from tests.running_box import REPOSITORY, RunningBox, running_box

MADE = """
import json, os, sys
from google.cloud import aiplatform_v1 as v1, bigquery, storage

parent = "projects/local-project/locations/us-central1"
options = {"api_endpoint": "us-central1-aiplatform.googleapis.com"}
endpoints, models = v1.EndpointServiceClient(client_options=options), v1.ModelServiceClient(client_options=options)
bucket = storage.Client().create_bucket("evergreen")
jobs = v1.JobServiceClient(client_options=options)
for name in ("proof-pets-2026-train", "nightly-2026-train"):
    pool = {"replica_count": 1, "container_spec": {"image_uri": "steps", "command": ["sleep", "600"]}}
    jobs.create_custom_job(
        parent=parent, custom_job={"display_name": name, "job_spec": {"worker_pool_specs": [pool]}}
    )
for name in ("proof-news", "news"):
    bucket.blob(f"locks/{name}.json").upload_from_string("{}")
bigquery.Client().create_dataset("news")
for name, labels in {
    "proof": {"evergreen_model": "proof-news", "evergreen_environment": "proof"},
    "contract": {"evergreen_model": "contract", "evergreen_environment": "test-1"},
    "production": {"evergreen_model": "news", "evergreen_environment": "production"},
}.items():
    endpoints.create_endpoint(parent=parent, endpoint={"display_name": name, "labels": labels}).result()
    routes = {"predict_route": "/predict", "health_route": "/health"}
    container = {"image_uri": "serving:1", "ports": [{"container_port": 8080}], **routes}
    bucket.blob(f"{name}/model/a").upload_from_string("x")
    files = f"gs://evergreen/{name}/model"
    model = {"display_name": name, "labels": labels, "container_spec": container, "artifact_uri": files}
    models.upload_model(parent=parent, model=model).result()
    table = bigquery.Table(f"local-project.news.{name}", [bigquery.SchemaField("text", "STRING")])
    bigquery.Client().create_table(table)
"""
SHOWN = """
import json
from google.cloud import aiplatform_v1 as v1, bigquery, storage
parent = "projects/local-project/locations/us-central1"
options = {"api_endpoint": "us-central1-aiplatform.googleapis.com"}
endpoints, models = v1.EndpointServiceClient(client_options=options), v1.ModelServiceClient(client_options=options)
jobs = v1.JobServiceClient(client_options=options)
ends = ("JOB_STATE_CANCELLED", "JOB_STATE_FAILED")
print(json.dumps({
    "jobs": [job.display_name for job in jobs.list_custom_jobs(parent=parent) if job.state.name not in ends],
    "endpoints": [endpoint.display_name for endpoint in endpoints.list_endpoints(parent=parent)],
    "models": [model.display_name for model in models.list_models(parent=parent)],
    "tables": [table.table_id for table in bigquery.Client().list_tables("news")],
    "files": [blob.name for blob in storage.Client().bucket("evergreen").list_blobs()],
}))
"""


@pytest.fixture(scope="module")
def own_box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBox]:
    with running_box(tmp_path_factory.mktemp("proof") / "home", "gcs", "gateway", "vertex", "bigquery") as box:
        yield box


def python(own_box: RunningBox, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A process that has the box for Google, and its Python warnings aside."""
    names = {name: os.environ[name] for name in ("PATH", "VIRTUAL_ENV", "TMPDIR") if name in os.environ}
    given = {**names, **environment.network(own_box.box), "HOME": str(own_box.home), "PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(
        [sys.executable, "-W", "ignore", *arguments],
        env={**given, "EVERGREEN_BUCKET": "gs://evergreen"},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture(scope="module")
def recorded(own_box: RunningBox, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The answers of the box while resources of a proof and others are made."""
    folder = tmp_path_factory.mktemp("recorded")
    (folder / "made.py").write_text(MADE, "utf-8")
    done = python(own_box, "-m", "tests.proof.recorder", str(folder / "box.json"), str(folder / "made.py"))
    assert done.returncode == 0, done.stderr
    return folder / "box.json"


def test_answers_of_every_client_are_recorded_by_their_fields(recorded: Path) -> None:
    cassette = read(recorded)
    created = cassette["google.cloud.aiplatform.v1.EndpointService/CreateEndpoint"]
    assert created["name"] == "string"
    assert cassette["bigquery POST /bigquery/v2/projects/*/datasets/*/tables"]["schema.fields[].type"] == "string"
    written = recorded.read_text("utf-8")
    assert "local-project" not in written
    assert "production" not in written
    assert "ya29." not in written


def test_the_box_answers_the_fields_that_google_answered(recorded: Path) -> None:
    google = read(FILE)
    if not google:
        pytest.skip("no answers of Google are recorded; whoever has a project can: make gcp PROJECT=my-project")
    assert differences(google, read(recorded)) == []


def test_the_removal_leaves_nothing_of_a_proof_and_everything_else(own_box: RunningBox, recorded: Path) -> None:
    assert recorded.is_file()
    before = json.loads(python(own_box, "-c", SHOWN).stdout)
    assert sorted(before["endpoints"]) == ["contract", "production", "proof"]
    assert sorted(before["jobs"]) == ["nightly-2026-train", "proof-pets-2026-train"]
    done = python(own_box, "-m", "tests.proof", "--project", "local-project", "--region", "us-central1", "--remove")
    assert done.returncode == 0, done.stderr
    assert "nothing of the proof is left" in done.stdout
    after = json.loads(python(own_box, "-c", SHOWN).stdout)
    assert after == {
        "jobs": ["nightly-2026-train"],
        "endpoints": ["production"],
        "models": ["production"],
        "tables": ["contract", "production"],
        "files": ["contract/model/a", "locks/news.json", "production/model/a"],
    }


def test_an_endpoint_with_traffic_and_one_that_stands_by_is_removed(box: Box, tmp_path: Path) -> None:
    trial = HostedTrial(box, tmp_path)
    trial.host = trial.host.model_copy(update={"environment": "proof"})
    trial.endpoint = VertexEndpoint(trial.host, "news")
    for name in ("a", "b"):
        version, folder = trial.model(name)
        trial.endpoint.upload(version, folder)
        trial.endpoint.deploy(version)
        trial.endpoint.set_traffic({version: 100})
    place = Place(box.project, box.region, f"gs://{BUCKET}")
    assert [line for part in (removal._endpoints, removal._models) for line in part(place)] == []
    assert trial.endpoint.status().traffic == {}
    assert trial.deployed() == []


def test_a_part_that_cannot_be_removed_is_told_and_hides_no_other(own_box: RunningBox) -> None:
    """The bucket is another one, which is not there."""
    script = "from tests.proof.removal import *; print(remove(Place('local-project', 'us-central1', 'gs://nowhere')))"
    done = python(own_box, "-c", script)
    assert "['files of the proof were not all removed; look at them in local-project']" in done.stdout


@pytest.mark.usefixtures("zenml_home")
@pytest.mark.parametrize("name", sorted(MODELS))
def test_the_small_configurations_are_ones_that_the_pipeline_takes(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipelines.training import training

    write_small(tmp_path)
    special = {
        "EVERGREEN_BUCKET": "gs://bucket",
        "GOOGLE_CLOUD_PROJECT": "my-project",
        "GOOGLE_CLOUD_REGION": "us-east1",
    }
    for variable in PLACEHOLDER.findall((tmp_path / name).read_text("utf-8")):
        monkeypatch.setenv(variable, special.get(variable, "value"))
    configuration = load(str(tmp_path / name), training)
    parameters: Any = configuration.parameters
    assert (parameters.model_name, parameters.publish) == (MODELS[name], None)
    assert (parameters.host.environment, parameters.host.max_replicas) == ("proof", 1)
    assert parameters.host.staging == "gs://bucket/proof/models"
    assert configuration.tried == ({} if name == "prod.yaml" else {"train": (TRAINER,)})
    assert configuration.document["run_name"].startswith(f"{MODELS[name]}-{{date}}")
    assert configuration.document["settings"]["orchestrator.vertex"]["labels"] == {LABEL: "1"}
