"""What requests may hold, by the words of the installed clients."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from google.cloud import aiplatform_v1 as v1
from google.protobuf import json_format

from cloudbox.errors import ApiError
from cloudbox.fields.__main__ import as_json
from cloudbox.fields.documented import documented
from cloudbox.fields.guard import TABLE, check_request
from cloudbox.home import Home
from cloudbox.rpc import Dispatcher, Method, raw
from cloudbox.vertex.masks import apply_mask

PARENT = "projects/p/locations/l"
NAME = f"{PARENT}/endpoints/1"


def test_the_table_is_what_the_installed_clients_document() -> None:
    assert TABLE.read_text(encoding="utf-8") == as_json(documented()), "run: python -m cloudbox.fields"


def create(**fields: object) -> object:
    return v1.CreateEndpointRequest(parent=PARENT, endpoint={"display_name": "news", **fields})


def job(**container: object) -> object:
    pool = {"machine_spec": {"machine_type": "n1-standard-4"}, "container_spec": container}
    return v1.CreateCustomJobRequest(
        parent=PARENT, custom_job={"display_name": "job", "job_spec": {"worker_pool_specs": [pool]}}
    )


REQUIRED, SET = "Required field is not set.", "Output only field is set."


@pytest.mark.parametrize(
    ("request_", "field", "why"),
    [
        (v1.CreateEndpointRequest(endpoint={"display_name": "news"}), "parent", REQUIRED),
        (v1.CreateEndpointRequest(parent=PARENT), "endpoint", REQUIRED),
        (v1.CreateEndpointRequest(parent=PARENT, endpoint={}), "endpoint.display_name", REQUIRED),
        (create(name=NAME), "endpoint.name", SET),
        (create(deployed_models=[{"id": "1"}]), "endpoint.deployed_models", SET),
        (job(), "custom_job.job_spec.worker_pool_specs[0].container_spec.image_uri", REQUIRED),
        (
            job(image_uri="i", env=[{"name": "A", "value": "1"}, {"name": "B"}]),
            "custom_job.job_spec.worker_pool_specs[0].container_spec.env[1].value",
            REQUIRED,
        ),
        (
            v1.UpdateEndpointRequest(endpoint={"name": NAME}, update_mask={"paths": ["display_name"]}),
            "endpoint.display_name",
            REQUIRED,
        ),
        (
            v1.UpdateEndpointRequest(
                endpoint={"name": NAME, "deployed_models": [{"id": "1"}]}, update_mask={"paths": ["deployed_models"]}
            ),
            "endpoint.deployed_models",
            SET,
        ),
        (v1.UpdateEndpointRequest(endpoint={"name": NAME}), "update_mask", REQUIRED),
    ],
)  # fmt: skip
def test_a_field_that_is_missing_or_not_the_callers_is_refused_by_its_path(
    request_: object, field: str, why: str
) -> None:
    with pytest.raises(ApiError) as refused:
        check_request(raw(request_))
    assert (refused.value.code.name, refused.value.message) == (
        "INVALID_ARGUMENT",
        f"List of found errors:\t1.Field: {field}; Message: {why}\t",
    )


def test_an_unknown_number_of_an_enum_is_refused() -> None:
    request = v1.ListModelsRequest.pb(v1.ListModelsRequest(parent=PARENT))
    check_request(request)
    deploy = v1.DeployModelRequest(
        endpoint=NAME, deployed_model={"model": "m", "dedicated_resources": {"machine_spec": {}}}
    )
    raw(deploy).deployed_model.dedicated_resources.machine_spec.accelerator_type = 987
    with pytest.raises(
        ApiError, match=r"machine_spec\.accelerator_type; Message: 987 is no value of .*AcceleratorType"
    ):
        check_request(raw(deploy))


@pytest.mark.parametrize(
    "request_",
    [
        create(labels={"a": "b"}, encryption_spec={"kms_key_name": "k"}),
        job(image_uri="i", env=[{"name": "A", "value": "1"}]),
        # read, changed and sent back: the mask tells what of it counts
        v1.UpdateEndpointRequest(
            endpoint={"name": NAME, "etag": "1", "create_time": {"seconds": 1}, "traffic_split": {"1": 100}},
            update_mask={"paths": ["traffic_split"]},
        ),
        json_format.Parse(
            f'{{"endpoint": "{NAME}", "instances": [{{"text": ""}}]}}', v1.PredictRequest.pb(v1.PredictRequest())
        ),
    ],
)
def test_a_request_as_documented_passes(request_: object) -> None:
    check_request(raw(request_))


def changed(path: str, change: Callable[[v1.DeployedModel], None]) -> v1.DeployedModel:
    resources = {"machine_spec": {"machine_type": "n1-standard-4"}, "min_replica_count": 1, "max_replica_count": 1}
    deployed, wanted = (v1.DeployedModel(id="1", model="m", dedicated_resources=resources) for _ in range(2))
    change(wanted)
    apply_mask(deployed, wanted, [path], ["dedicated_resources"])
    return deployed


def test_replicas_of_a_deployed_model_may_change_and_its_machine_may_not() -> None:
    def more_and_larger(wanted: v1.DeployedModel) -> None:
        wanted.dedicated_resources.max_replica_count = 3
        wanted.dedicated_resources.machine_spec.machine_type = "n1-standard-8"

    resources = changed("dedicated_resources.max_replica_count", more_and_larger).dedicated_resources
    assert (resources.max_replica_count, resources.machine_spec.machine_type) == (3, "n1-standard-4")
    with pytest.raises(
        ApiError, match=r"dedicated_resources\.machine_spec; Message: Immutable field cannot be changed"
    ):
        changed("dedicated_resources", more_and_larger)


def test_every_call_is_guarded_before_it_is_carried_out(tmp_path: Path) -> None:
    carried_out: list[object] = []
    method = Method(carried_out.append, v1.CreateEndpointRequest)
    dispatcher = Dispatcher(Home(tmp_path), "vertex", {"/v1.EndpointService/CreateEndpoint": method})
    with pytest.raises(ApiError, match=r"endpoint\.name; Message: Output only"):
        dispatcher.call("/v1.EndpointService/CreateEndpoint", create(name=NAME))
    assert carried_out == []
    dispatcher.call("/v1.EndpointService/CreateEndpoint", create())
    assert len(carried_out) == 1
