"""The Vertex host under the contract of every endpoint, and what only it can meet, with Google's own clients."""

import itertools
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gcsfs
import pytest

from cloudbox import faults
from cloudbox.box import Box
from evergreen.adapters.vertex.clients import Clients
from evergreen.adapters.vertex.endpoint import HostedEndpoint
from evergreen.adapters.vertex.host import VertexEndpoint
from evergreen.adapters.vertex.registry import ModelRegistry, resource_of
from evergreen.adapters.vertex.resource import EndpointResource
from evergreen.adapters.vertex.specification import deployed_model_message
from evergreen.core.errors import InputError
from evergreen.core.rollout import roll_out
from evergreen.pages.curl import curl_command
from tests import mortal_model
from tests.endpoint_contract import GOOD, EndpointContract, live, never, release
from tests.integration.cloudbox.google import BUCKET, google_in_a_box
from tests.keyword_model import write_keyword_model
from tests.tiny_text import LABELS, RecordingRun, headlines, task_with, write_encoder, write_splits

ROOT = Path(__file__).parents[3]
ENVIRONMENTS = (f"trial-{number}" for number in itertools.count())
PATIENCE_S = 30.0


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    with google_in_a_box(tmp_path_factory.mktemp("google")) as box:
        yield box


def host_in(box: Box, **changes: object) -> VertexEndpoint:
    settings: dict[str, object] = {
        "project": box.project,
        "region": box.region,
        "staging": f"gs://{BUCKET}/models",
        "image": "serving:test",
        "environment": next(ENVIRONMENTS),
        "startup_timeout_s": 60,
        "request_timeout_s": 20,
        "retry_timeout_s": 3,
        **changes,
    }
    return VertexEndpoint.model_validate(settings)


class HostedTrial:
    """An endpoint in an environment of its own; all trials share the box."""

    def __init__(self, box: Box, path: Path) -> None:
        self.path = path
        self.servers = path / "servers"
        self.servers.mkdir()
        self.host = host_in(
            box,
            staging=f"gs://{BUCKET}/{path.name}",
            command=("python", "-m", "tests.mortal_model"),
            env={"PYTHONPATH": str(ROOT), "MORTAL_FOLDER": str(self.servers)},
        )
        self.endpoint = HostedEndpoint(self.host, "news")

    def model(self, name: str, broken: bool = False) -> tuple[str, Path]:
        trained = write_keyword_model(self.path / name, name=name, broken=broken)
        return trained.version, trained.path

    def spoil(self, version: str, spoilt: bool = True) -> None:
        content = f"{self.host.staging}/news/{version}/task.json"
        files = gcsfs.GCSFileSystem(skip_instance_cache=True, use_listings_cache=False)
        files.mv(content, f"{content}.aside") if spoilt else files.mv(f"{content}.aside", content)

    def die(self) -> None:
        mortal_model.kill_all(self.servers)
        wait_until(lambda: self.endpoint.status().ready == ())


@pytest.fixture
def trial(box: Box, tmp_path: Path) -> Iterator[HostedTrial]:
    trial = HostedTrial(box, tmp_path)
    yield trial
    trial.endpoint.delete()


class TestHostedEndpoint(EndpointContract):
    """The whole contract."""


def deployed(trial: HostedTrial) -> list[str]:
    """Versions, once for each deployed model, of the live and the probe endpoint."""
    clients = Clients(trial.host)
    found = [EndpointResource(clients, "news", role).running() for role in ("live", "probe")]
    return sorted(one.version for running in found for one in running)


def test_files_that_a_killed_run_copied_are_completed_and_what_it_uploaded_is_found_again(trial: HostedTrial) -> None:
    version, model_dir = trial.model("a")
    target = f"{trial.host.staging}/news/{version}"
    files = gcsfs.GCSFileSystem(skip_instance_cache=True, use_listings_cache=False)
    files.pipe_file(f"{target}/task.json", b"half of it")
    registry = ModelRegistry(Clients(trial.host), "news")
    first = registry.upload(version, model_dir)
    assert files.cat_file(f"{target}/task.json") == (model_dir / "task.json").read_bytes()
    again = ModelRegistry(Clients(trial.host), "news").upload(version, trial.path / "not needed any more")
    assert (first.name, first.version_id) == (again.name, again.version_id)
    trial.endpoint.upload(version, model_dir)
    trial.endpoint.deploy(version)
    assert trial.endpoint.status().ready == (version,)


def test_a_deployment_that_a_killed_run_began_is_waited_for_and_adopted(trial: HostedTrial) -> None:
    version, model_dir = trial.model("a")
    trial.endpoint.upload(version, model_dir)
    clients = Clients(trial.host)
    held, found = ModelRegistry(clients, "news").find(version), EndpointResource(clients, "news", "live").find()
    assert held is not None
    assert found is not None
    message = deployed_model_message(trial.host, resource_of(held), version, (1, 1))
    clients.endpoints.deploy_model(request={"endpoint": found.name, "deployed_model": message})
    trial.endpoint.deploy(version)
    assert deployed(trial) == [version]


def test_a_version_that_was_started_twice_runs_once_after_the_next_deploy(trial: HostedTrial) -> None:
    version = live(trial, "a")
    clients = Clients(trial.host)
    held = ModelRegistry(clients, "news").find(version)
    EndpointResource(clients, "news", "live").start(version, resource_of(held), (1, 1))
    assert deployed(trial) == [version, version]
    trial.endpoint.deploy(version)
    assert (deployed(trial), trial.endpoint.status().traffic) == ([version], {version: 100})


@pytest.mark.parametrize("code", ["UNAVAILABLE", "RESOURCE_EXHAUSTED"])
def test_transient_errors_are_repeated_until_they_pass(box: Box, trial: HostedTrial, code: str) -> None:
    methods = ("ListEndpoints", "CreateEndpoint", "UploadModel", "DeployModel", "GetOperation", "UpdateEndpoint")
    for method in (*methods, "Predict"):
        faults.add(box.home, faults.Fault(kind="error", target=method, code=code, times=1))
    version = live(trial, "a")
    assert trial.endpoint.predict(GOOD)
    assert deployed(trial) == [version]
    assert faults.clear(box.home) == []


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (faults.Fault(kind="quota", target="n1-standard-4"), "quotas are exceeded"),
        (faults.Fault(kind="never-ready", target="news", seconds=1), "never became ready"),
        (faults.Fault(kind="never-ends", target="DeployModel"), "not done within 4 s"),
        (faults.Fault(kind="error", target="DeployModel", code="PERMISSION_DENIED"), "roles/aiplatform.user"),
    ],
    ids=lambda value: value.kind if isinstance(value, faults.Fault) else "",
)
def test_a_lasting_fault_ends_in_one_line_with_the_champion_live_and_the_next_run_heals(
    box: Box, trial: HostedTrial, fault: faults.Fault, said: str
) -> None:
    champion = live(trial, "a")
    challenger = release(trial, "b")
    hasty = HostedEndpoint(trial.host.model_copy(update={"startup_timeout_s": 4}), "news")
    faults.add(box.home, fault)
    try:
        deployment = roll_out(hasty, challenger, champion, never)
    finally:
        faults.clear(box.home)
    assert (deployment.outcome, deployment.traffic) == ("rolled_back", {champion: 100})
    assert said in deployment.message
    assert deployed(trial) == [champion]
    assert roll_out(trial.endpoint, challenger, champion, lambda: None).outcome == "live"
    assert deployed(trial) == sorted([champion, challenger.version])


def test_the_real_server_of_a_trained_model_answers_the_printed_request(box: Box, tmp_path: Path) -> None:
    encoder = write_encoder(tmp_path / "encoder")
    rows = headlines(12)
    splits = write_splits(tmp_path / "splits", {"train": rows, "validation": rows, "test": rows})
    trained = task_with(encoder).train(splits, RecordingRun.below(tmp_path / "run"))
    host = host_in(box, command=("python", "-m", "evergreen.serving"), env={"PYTHONPATH": str(ROOT)})
    endpoint = host.open("news", tmp_path)
    try:
        endpoint.upload(trained.version, trained.path)
        endpoint.deploy(trained.version)
        endpoint.set_traffic({trained.version: 100})
        (prediction,) = endpoint.predict([{"text": "the striker scored a goal"}])
        assert prediction["label"] in LABELS
        status = endpoint.status()
        assert status.token_command == "gcloud auth print-access-token"
        assert ask_as_printed(str(status.url), tmp_path)["metadata"]["model_version"] == trained.version
    finally:
        endpoint.delete()


def ask_as_printed(url: str, folder: Path) -> dict[str, Any]:
    """What the printed command gives with a `gcloud` that knows the box's token."""
    gcloud = folder / "bin" / "gcloud"
    gcloud.parent.mkdir()
    gcloud.write_text("#!/bin/sh\necho token\n")
    gcloud.chmod(0o755)
    environment = os.environ | {"PATH": f"{gcloud.parent}:{os.environ['PATH']}"}
    environment["CURL_CA_BUNDLE"] = os.environ["REQUESTS_CA_BUNDLE"]
    command = ["/bin/bash", "-c", curl_command(url, "gcloud auth print-access-token")]
    done = subprocess.run(command, env=environment, capture_output=True, check=True, timeout=30)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_the_preflight_says_what_is_in_the_way(box: Box, tmp_path: Path) -> None:
    host_in(box).check("news", tmp_path)
    with pytest.raises(InputError, match="gcloud storage buckets create gs://no-such-bucket"):
        host_in(box, staging="gs://no-such-bucket/models").check("news", tmp_path)
    faults.add(box.home, faults.Fault(kind="error", target="ListEndpoints", code="PERMISSION_DENIED", times=1))
    with pytest.raises(InputError, match=r"parameters\.host\.project 'local-project'.*gcloud services enable"):
        host_in(box).check("news", tmp_path)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.1)
