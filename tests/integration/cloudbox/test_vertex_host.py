"""The Vertex host under the contract of every endpoint, and what only it can meet, with Google's own clients."""

import json
import os
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import gcsfs
import pytest

from cloudbox import faults
from cloudbox.box import Box
from evergreen.adapters.vertex.clients import Clients
from evergreen.adapters.vertex.endpoint import VertexEndpoint
from evergreen.adapters.vertex.host import VertexHost
from evergreen.adapters.vertex.names import new_id
from evergreen.adapters.vertex.preflight import PATIENCE_S
from evergreen.adapters.vertex.registry import ModelRegistry, resource_of
from evergreen.adapters.vertex.resource import EndpointResource
from evergreen.adapters.vertex.settings import VertexHostSettings
from evergreen.adapters.vertex.specification import deployed_model_message
from evergreen.core.errors import EndpointError, InputError, RequestTooLargeError
from evergreen.core.members import trainable
from evergreen.core.rollout import roll_out
from evergreen.core.traces import version_of
from evergreen.pages.curl import curl_command
from tests.endpoint_contract import GOOD, EndpointContract, live, never, release
from tests.hosted_trial import ROOT, HostedTrial, host_in
from tests.integration.cloudbox.private_network import network_of
from tests.tiny_text import LABELS, RecordingRun, headlines, task_with, write_encoder, write_splits
from tests.waiting import wait_until


class TestVertexEndpoint(EndpointContract):
    """The whole contract."""


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
    held, endpoint = ModelRegistry(clients, "news").find(version), EndpointResource(clients, "news", "live").find()
    assert held is not None
    assert endpoint is not None
    message = deployed_model_message(trial.host, resource_of(held), version, (1, 1), new_id())
    clients.endpoints.deploy_model(request={"endpoint": endpoint.name, "deployed_model": message})
    trial.endpoint.deploy(version)
    assert trial.deployed() == [version]


def test_a_version_that_was_started_twice_runs_once_after_the_next_deploy(trial: HostedTrial) -> None:
    version = live(trial, "a")
    clients = Clients(trial.host)
    held = ModelRegistry(clients, "news").find(version)
    assert held is not None
    EndpointResource(clients, "news", "live").start(version, resource_of(held), (1, 1))
    assert trial.deployed() == [version, version]
    trial.endpoint.deploy(version)
    assert (trial.deployed(), trial.endpoint.status().traffic) == ([version], {version: 100})


def test_a_client_of_googles_sdk_sees_no_error_while_versions_replace_one_another(trial: HostedTrial) -> None:
    aiplatform = pytest.importorskip("google.cloud.aiplatform")
    champion, challenger = live(trial, "a"), release(trial, "b")
    resource = EndpointResource(Clients(trial.host), "news", "live").find()
    assert resource is not None
    endpoint = aiplatform.Endpoint(resource.name, project=trial.host.project, location=trial.host.region)
    served: list[str] = []
    done = threading.Event()

    def ask() -> None:
        while not done.wait(0.05):
            answer = endpoint.predict(instances=GOOD)
            served.append(answer.metadata["model_version"] if len(answer.predictions) == len(GOOD) else "incomplete")

    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(ask)
        try:
            wait_until(lambda: bool(served) or asking.done(), timeout_s=20)
            assert roll_out(trial.endpoint, challenger, champion, lambda: None).outcome == "live"
            trial.endpoint.undeploy(champion)
            wait_until(lambda: served[-1] == challenger.version or asking.done(), timeout_s=20)
        finally:
            done.set()
    asking.result()
    assert set(served) == {champion, challenger.version}


def test_traffic_that_another_run_moved_meanwhile_is_not_overwritten(trial: HostedTrial) -> None:
    first, second = live(trial, "a"), release(trial, "b")
    trial.endpoint.upload(second.version, second.fetch())
    trial.endpoint.deploy(second.version)
    resource = EndpointResource(Clients(trial.host), "news", "live")
    seen = resource.require()
    trial.endpoint.set_traffic({second.version: 100})
    ours = {deployed.id: 100 for deployed in resource.running() if deployed.version == first}
    with pytest.raises(EndpointError, match="another run changed the endpoint meanwhile; run again"):
        resource.split(seen, ours)
    assert trial.endpoint.status().traffic == {first: 0, second.version: 100}


def test_a_dedicated_endpoint_answers_under_its_own_name_alone(trial: HostedTrial) -> None:
    live(trial, "a")
    clients = Clients(trial.host)
    resource = EndpointResource(clients, "news", "live").find()
    assert resource is not None
    assert str(trial.endpoint.status().url) == f"https://{resource.dedicated_endpoint_dns}/v1/{resource.name}:predict"
    shared = clients.session.post(f"https://{clients.address}/v1/{resource.name}:predict", json={"instances": GOOD})
    assert (shared.status_code, shared.json()["error"]["status"]) == (400, "FAILED_PRECONDITION")
    assert f"dedicated dns name '{resource.dedicated_endpoint_dns}'" in shared.json()["error"]["message"]


def test_an_endpoint_that_is_not_dedicated_answers_under_the_name_of_the_region(trial: HostedTrial) -> None:
    shared = VertexEndpoint(trial.host.model_copy(update={"dedicated": False}), "news")
    challenger = release(trial, "a")
    assert roll_out(shared, challenger, None, lambda: None).outcome == "live"
    assert str(shared.status().url).startswith(f"https://{trial.host.region}-aiplatform.googleapis.com/v1/")
    assert shared.predict(GOOD)
    with pytest.raises(RequestTooLargeError, match="payload size exceeds the limit: 1500000 bytes"):
        shared.predict([{"text": "x" * 1_500_000}])


def test_a_private_endpoint_goes_live_from_inside_its_network_and_says_so_elsewhere(
    box: Box, trial: HostedTrial, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = "projects/local-project/global/networks/private"
    private = {"network": network, "project_allowlist": ("local-project",)}
    settings = trial.host.model_dump() | {"dedicated": False, "private_service_connect": private}
    endpoint, challenger = VertexEndpoint(VertexHostSettings.model_validate(settings), "news"), release(trial, "a")
    outside = roll_out(endpoint, challenger, None, never)
    assert (outside.outcome, trial.deployed()) == ("rolled_back", [])
    assert f"reached from {network} alone" in outside.message
    with network_of(box) as proxy:
        monkeypatch.setenv("http_proxy", proxy)
        assert roll_out(endpoint, challenger, None, lambda: None).outcome == "live"
        assert str(endpoint.status().url).startswith("http://10.128.0.2/v1/projects/")
        assert endpoint.predict(GOOD)


def test_the_real_server_of_a_trained_model_answers_the_printed_request(box: Box, tmp_path: Path) -> None:
    encoder = write_encoder(tmp_path / "encoder")
    rows = headlines(12)
    splits = write_splits(tmp_path / "splits", {"train": rows, "validation": rows, "test": rows})
    trained = trainable(task_with(encoder)).train(splits, RecordingRun.below(tmp_path / "run"))
    host = host_in(box, command=("python", "-m", "evergreen.serving"), env={"PYTHONPATH": str(ROOT)})
    endpoint = VertexEndpoint(host, "news")
    try:
        endpoint.upload(trained.version, trained.path)
        endpoint.deploy(trained.version)
        endpoint.set_traffic({trained.version: 100})
        (prediction,) = endpoint.predict([{"text": "the striker scored a goal"}])
        assert prediction["label"] in LABELS
        status = endpoint.status()
        assert status.token_command == "gcloud auth print-access-token"
        metadata = ask_as_printed(str(status.url), tmp_path)["metadata"]
        assert metadata["model_version"] == trained.version
        assert version_of(metadata["trace_id"]) == trained.version
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
    VertexHost(host_in(box)).check("news", tmp_path)
    with pytest.raises(InputError, match="gcloud storage buckets create gs://no-such-bucket"):
        VertexHost(host_in(box, staging="gs://no-such-bucket/models")).check("news", tmp_path)
    faults.add(box.home, faults.Fault(kind="foreign", target="squatted"))
    with pytest.raises(InputError, match="gs://squatted belongs to the project with the number"):
        VertexHost(host_in(box, staging="gs://squatted/models")).check("news", tmp_path)
    faults.clear(box.home, "foreign")
    faults.add(box.home, faults.Fault(kind="error", target="ListEndpoints", code="PERMISSION_DENIED", times=1))
    with pytest.raises(InputError, match=r"parameters\.host\.project 'local-project'.*gcloud services enable"):
        VertexHost(host_in(box)).check("news", tmp_path)
    with pytest.raises(
        InputError, match=r"'europe-west44'.*no region that is known here \(did you mean 'europe-west4'\?"
    ):
        VertexHost(host_in(box, region="europe-west44")).check("news", tmp_path)


def test_an_expired_login_is_told_at_once_with_the_line_that_renews_it(
    box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = {"type": "authorized_user", "client_id": "me", "client_secret": "of-no-use", "refresh_token": "expired"}
    (tmp_path / "login.json").write_text(json.dumps(login), "utf-8")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "login.json"))
    started = time.monotonic()
    with pytest.raises(InputError, match=r"refuses the credentials.*gcloud auth application-default login"):
        VertexHost(host_in(box)).check("news", tmp_path)
    assert time.monotonic() - started < PATIENCE_S / 2


def test_no_byte_of_a_model_goes_into_another_projects_bucket(box: Box, trial: HostedTrial) -> None:
    version, model_dir = trial.model("a")
    faults.add(box.home, faults.Fault(kind="foreign", target="squatted"))
    host = trial.host.model_copy(update={"staging": "gs://squatted/models"})
    with pytest.raises(InputError, match=rf"belongs to the project with the number \d+, not to {box.project}"):
        ModelRegistry(Clients(host), "news").upload(version, model_dir)
    faults.clear(box.home, "foreign")
