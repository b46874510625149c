"""How Vertex AI answers where a simpler service would not: numbers for ids, lists that lag, limits, conflicts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import requests
from google.api_core import exceptions
from google.cloud import aiplatform_v1 as v1

from cloudbox import faults
from cloudbox.box import Box
from cloudbox.credentials import service_account
from cloudbox.ledger.calls import listed as listed_calls
from evergreen.adapters.vertex.clients import Clients
from evergreen.adapters.vertex.endpoint import VertexEndpoint
from tests.endpoint_contract import live
from tests.hosted_trial import BUCKET, HostedTrial, host_in
from tests.waiting import wait_until

FEW_BYTES = 200_000


@pytest.fixture
def clients(box: Box) -> Clients:
    return Clients(host_in(box))


def result_of(operation: Any) -> Any:
    """What it gave; google.api_core has no types."""
    return operation.result()


@pytest.fixture
def endpoint(clients: Clients) -> Iterator[Any]:
    """An endpoint that was just made."""
    given = v1.Endpoint(display_name="answers", labels={"answers": "yes"}, dedicated_endpoint_enabled=True)
    made = result_of(clients.endpoints.create_endpoint(parent=clients.location, endpoint=given))
    yield made
    result_of(clients.endpoints.delete_endpoint(name=made.name))


def listed(clients: Clients) -> list[str]:
    request = {"parent": clients.location, "filter": 'labels.answers="yes"'}
    return [present.name for present in clients.endpoints.list_endpoints(request=request)]


def fault(box: Box, kind: faults.Kind, target: str, **rule: Any) -> None:
    faults.add(box.home, faults.Fault(kind=kind, target=target, **{"times": 1, **rule}))


def test_names_are_told_with_the_projects_number_and_taken_with_either(
    box: Box, clients: Clients, endpoint: Any
) -> None:
    by_number = f"projects/{box.project_number}/locations/{box.region}/endpoints/"
    assert endpoint.name.startswith(by_number), "the response of an operation"
    by_id = endpoint.name.replace(str(box.project_number), box.project)
    assert {clients.endpoints.get_endpoint(name=name).name for name in (by_id, endpoint.name)} == {endpoint.name}
    assert listed(clients) == [endpoint.name]
    assert f"{box.region}-{box.project_number}.prediction" in endpoint.dedicated_endpoint_dns
    container = {"image_uri": "i", "env": [{"name": "OF", "value": by_id}]}
    model = v1.Model(display_name="answers", container_spec=container)
    uploaded = clients.models.upload_model(parent=clients.location, model=model)
    assert uploaded.operation.name.startswith(f"projects/{box.project_number}/")
    kept = clients.models.get_model(name=result_of(uploaded).model)
    assert kept.name.startswith(f"projects/{box.project_number}/")
    assert kept.container_spec.env[0].value == by_id, "what a caller wrote stays as it is"
    result_of(clients.models.delete_model(name=kept.name))


def test_another_project_is_refused(clients: Clients, box: Box) -> None:
    with pytest.raises(exceptions.PermissionDenied, match="or it may not exist"):
        clients.endpoints.get_endpoint(name=f"projects/strangers/locations/{box.region}/endpoints/1")


def test_a_list_may_lag_while_a_single_resource_never_does(box: Box, clients: Clients, endpoint: Any) -> None:
    fault(box, "stale", "ListEndpoints", seconds=600)
    assert listed(clients) == []
    assert listed(clients) == [endpoint.name]
    change = {"name": endpoint.name, "labels": {"answers": "no"}}
    clients.endpoints.update_endpoint(endpoint=v1.Endpoint(change), update_mask={"paths": ["labels"]})
    fault(box, "stale", "ListEndpoints", seconds=600)
    assert dict(clients.endpoints.get_endpoint(name=endpoint.name).labels) == {"answers": "no"}


def test_one_who_changes_what_another_has_changed_is_told_to_read_again(clients: Clients, endpoint: Any) -> None:
    def describe(description: str) -> None:
        given = v1.Endpoint(name=endpoint.name, etag=endpoint.etag, description=description)
        clients.endpoints.update_endpoint(endpoint=given, update_mask={"paths": ["description"]})

    describe("first")
    with pytest.raises(exceptions.Aborted, match="Etag mismatch"):
        describe("second")


def test_the_name_of_a_dedicated_endpoint_may_not_be_known_to_dns_for_a_while(box: Box, endpoint: Any) -> None:
    address = f"https://{endpoint.dedicated_endpoint_dns}/v1/{endpoint.name}:predict"
    fault(box, "unresolved", "*.prediction.vertexai.goog", times=2)
    for _ in range(2):
        with pytest.raises(requests.ConnectionError, match="could not resolve host"):
            requests.post(address, json={"instances": [{}]}, timeout=10)
    assert requests.post(address, json={"instances": [{}]}, timeout=10).status_code == 400, "nothing is deployed"


@pytest.mark.parametrize(("dedicated", "limit"), [(True, 10_000_000), (False, 1_500_000)])
def test_a_request_above_the_limit_of_its_kind_of_endpoint_is_invalid(
    trial: HostedTrial, dedicated: bool, limit: int
) -> None:
    trial.host = trial.host.model_copy(update={"dedicated": dedicated})
    trial.endpoint = VertexEndpoint(trial.host, "news")
    live(trial, "a")
    clients = Clients(trial.host)

    def ask(size: int) -> requests.Response:
        filler = "x" * size
        answer: requests.Response = clients.session.post(
            str(trial.endpoint.status().url), json={"instances": [{"text": filler}]}, timeout=30
        )
        return answer

    answer = ask(limit)
    assert (answer.status_code, answer.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert answer.json()["error"]["message"] == f"Request payload size exceeds the limit: {limit} bytes."
    assert "payload size" not in ask(limit - FEW_BYTES).text


def test_a_list_may_tell_no_status(box: Box, trial: HostedTrial) -> None:
    live(trial, "a")
    clients = Clients(trial.host)
    request = {"parent": clients.location, "filter": f'labels.evergreen_environment="{trial.host.environment}"'}

    def statuses() -> list[bool]:
        endpoints = clients.endpoints.list_endpoints(request=request)
        return ["status" in deployed for answer in endpoints for deployed in answer.deployed_models]

    fault(box, "no-status", "ListEndpoints")
    assert statuses() == [False]
    assert statuses() == [True]


def test_calls_are_noted_with_the_account_that_made_them(box: Box, clients: Clients) -> None:
    """A container acts as the service account of its job, also towards Cloud Storage, whose client sends no token."""
    account = f"steps@{box.project}.iam.gserviceaccount.com"
    script = f"""if True:
        import gcsfs
        from google.cloud import aiplatform_v1, storage
        storage.Client().bucket("{BUCKET}").blob("by the step").upload_from_string(b"1")
        assert gcsfs.GCSFileSystem().cat("{BUCKET}/by the step") == b"1"
        service = aiplatform_v1.ModelServiceClient(client_options={{"api_endpoint": "{clients.address}"}})
        list(service.list_models(parent="{clients.location}"))"""
    container = {"image_uri": "steps", "command": ["python", "-W", "ignore", "-c", script]}
    pool = {"container_spec": container, "machine_spec": {"machine_type": "n1-standard-4"}, "replica_count": 1}
    spec = {"worker_pool_specs": [pool], "service_account": account}
    jobs = v1.JobServiceClient(client_options={"api_endpoint": clients.address})
    made = jobs.create_custom_job(parent=clients.location, custom_job=v1.CustomJob(display_name="steps", job_spec=spec))
    wait_until(lambda: bool(jobs.get_custom_job(name=made.name).end_time), timeout_s=60)
    assert jobs.get_custom_job(name=made.name).error.message == ""
    called = {call.method for call in listed_calls(box.home) if call.principal == account}
    assert {
        "storage.objects.insert",
        "storage.objects.get",
        "google.cloud.aiplatform.v1.ModelService/ListModels",
    } <= called
    mine = {call.method for call in listed_calls(box.home) if call.principal == service_account(box)}
    assert "google.cloud.aiplatform.v1.JobService/CreateCustomJob" in mine - called
