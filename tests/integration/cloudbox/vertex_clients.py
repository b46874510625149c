"""What real Google clients do with the box: `python vertex_clients.py SCENARIO` prints its findings as JSON."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from google.api_core import exceptions
from google.auth.credentials import Credentials
from google.cloud import aiplatform

SERVER = Path(__file__).with_name("prediction_server.py").read_text(encoding="utf-8")
PARENT = "projects/local/locations/europe-west4"


class Token(Credentials):
    """Credentials that need no token endpoint."""

    def __init__(self) -> None:
        super().__init__()
        self.token = "local"

    def refresh(self, request: object) -> None:
        self.token = "local"


def upload(name: str, **options: Any) -> Any:
    """A model version whose container is prediction_server.py."""
    environment = options.pop("environment", {})
    return aiplatform.Model.upload(
        display_name="news",
        artifact_uri=f"gs://bucket/{name}",
        serving_container_image_uri="europe-west4-docker.pkg.dev/local/images/serving:1",
        serving_container_command=["python", "-c", SERVER],
        serving_container_args=["--port=$(AIP_HTTP_PORT)", "$$(AIP_HTTP_PORT)"],
        serving_container_environment_variables={"NAME": name, **environment},
        serving_container_predict_route="/predict",
        serving_container_health_route="/healthz",
        **options,
    )


def refused(call: Callable[[], Any]) -> str:
    """The class of the error that a call ends in."""
    try:
        call()
    except exceptions.GoogleAPICallError as error:
        return type(error).__name__
    return "nothing"


def life_of_an_endpoint() -> dict[str, Any]:
    first = upload("first", labels={"run": "one"}, version_aliases=["candidate"])
    second = upload("second", parent_model=first.resource_name, is_default_version=False, version_aliases=["candidate"])
    registry = second.versioning_registry
    versions = {one.version_id: sorted(one.version_aliases) for one in registry.list_versions()}
    endpoint = aiplatform.Endpoint.create(display_name="news", labels={"model": "news"})
    machine = {"machine_type": "n1-standard-2", "min_replica_count": 1}
    endpoint.deploy(first, traffic_percentage=100, **machine)
    only = endpoint.predict([{"text": "a", "n": 5}], parameters={"top_k": 1})
    endpoint.deploy(second, traffic_percentage=0, **machine)
    ids = {one.model_version_id: one.id for one in endpoint.list_models()}
    at_zero = dict(endpoint.traffic_split)
    while_zero = {endpoint.predict([{"text": "a"}]).deployed_model_id for _ in range(10)}
    wrong = refused(lambda: endpoint.update(traffic_split={ids["1"]: 60, ids["2"]: 60}))
    endpoint.update(traffic_split={ids["1"]: 0, ids["2"]: 100})
    moved = endpoint.predict([{"text": "a"}])
    raw = endpoint.raw_predict(
        json.dumps({"instances": [{"text": "r"}]}).encode(), {"content-type": "application/json"}
    )
    found = aiplatform.Endpoint.list(filter='labels.model="news"')
    none = aiplatform.Endpoint.list(filter='labels.model="other" AND display_name="news"')
    in_use = refused(lambda: aiplatform.Model(first.resource_name).delete())
    busy = refused(lambda: endpoint.delete())
    endpoint.undeploy(ids["1"])
    after = endpoint.predict([{"text": "a"}])
    endpoint.undeploy_all()
    endpoint.delete()
    first.delete()
    return {
        "versions": versions,
        "only": [only.predictions, only.deployed_model_id == ids["1"], only.model_version_id],
        "at_zero": at_zero == {ids["1"]: 100, ids["2"]: 0},
        "while_zero": while_zero == {ids["1"]},
        "wrong": wrong,
        "moved": [moved.predictions, moved.model_version_id],
        "raw": [raw.json()["predictions"], raw.headers["x-vertex-ai-deployed-model-id"] == ids["2"]],
        "found": [one.resource_name == endpoint.resource_name for one in found],
        "none": len(none),
        "in_use": in_use,
        "busy": busy,
        "after": after.model_version_id,
        "left": [len(aiplatform.Endpoint.list()), len(aiplatform.Model.list())],
    }


if __name__ == "__main__":
    aiplatform.init(project="local", location="europe-west4", credentials=Token())
    print(json.dumps(globals()[sys.argv[1]]()))
    sys.stdout.flush()
    os._exit(0)  # the client's threads need no farewell
