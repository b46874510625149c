"""What real Google clients do with the box: `python vertex_clients.py SCENARIO` prints its findings as JSON."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from google.api_core import exceptions
from google.auth.credentials import Credentials
from google.auth.transport.requests import AuthorizedSession
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
    machine: dict[str, Any] = {"machine_type": "n1-standard-2", "min_replica_count": 1}
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
    busy = refused(endpoint.delete)
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


def compiled(folder: Path) -> str:
    """A pipeline of two tasks that hand a value on, with resources on the second."""
    from kfp import compiler, dsl

    @dsl.container_component
    def first(word: str, out: dsl.OutputPath(str)):  # type: ignore[valid-type]  # kfp's way to declare an output
        script = 'printf "%s from $(pwd)" "$0" > "$1"; echo "in the log"; sleep "${PAUSE:-0}"; [ "$0" != fail ]'
        return dsl.ContainerSpec(image="steps", command=["sh", "-c"], args=[script, word, out])

    @dsl.component(install_kfp_package=False, base_image="steps")
    def second(text: str, number: int) -> str:
        return f"{text}, {number + 1}"

    @dsl.pipeline(name="two-tasks")
    def two_tasks(word: str = "hello", pause: str = "0"):
        one = first(word=word).set_env_variable("PAUSE", "0")
        second(text=one.outputs["out"], number=3).set_cpu_limit("6").set_memory_limit("20G")

    path = folder / "pipeline.json"
    compiler.Compiler().compile(two_tasks, str(path))
    return str(path)


def job(path: str, **options: Any) -> Any:
    return aiplatform.PipelineJob(
        display_name="two tasks", template_path=path, pipeline_root="gs://bucket/root", enable_caching=False, **options
    )


def summary(pipeline: Any) -> dict[str, Any]:
    tasks = {one.task_name: one for one in pipeline.gca_resource.job_detail.task_details}
    error = pipeline.gca_resource.error.message
    return {
        "state": pipeline.state.name,
        "tasks": {name: one.state.name for name, one in tasks.items()},
        "errors": {name: one.error.message for name, one in tasks.items() if one.error.message},
        "error": error,
    }


def until(state: Callable[[], Any], wanted: Callable[[Any], bool], limit_s: float = 20.0) -> Any:
    """The state once it is as wanted."""
    give_up = time.monotonic() + limit_s
    while not wanted(now := state()):
        if time.monotonic() > give_up:
            raise TimeoutError(f"still {now}")
        time.sleep(0.1)
    return now


def ended(pipeline: Any) -> dict[str, Any]:
    """The summary of a pipeline once it has ended; the SDK itself looks every five seconds only."""

    def read() -> Any:
        pipeline._sync_gca_resource()
        return pipeline.gca_resource

    until(read, lambda resource: resource.end_time is not None)
    return summary(pipeline)


def pipelines() -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = compiled(Path(folder))
        good, bad = job(path, labels={"run": "good"}), job(path, parameter_values={"word": "fail"})
        good.submit()
        bad.submit()
        report = {"good": ended(good), "bad": ended(bad)}
        detail = {one.task_name: one for one in good.gca_resource.job_detail.task_details}["second"]
        task = aiplatform.CustomJob.get(detail.executor_detail.container_detail.main_job)
        spec = task.gca_resource.job_spec.worker_pool_specs[0]
        report["machine"] = spec.machine_spec.machine_type
        schedule = job(path).create_schedule(cron="TZ=Europe/Berlin 0 3 1 1 *", display_name="yearly")
        report["next"] = [schedule.gca_resource.next_run_time.month, schedule.gca_resource.next_run_time.hour]
        report["fired"] = fire(schedule.resource_name)
        schedule.pause()
        report["paused"] = schedule.state.name
        schedule.resume(catch_up=False)
        runs = schedule.list_jobs()
        report["runs"] = [ended(one)["state"] for one in runs]
        schedule.delete()
        bad.delete()
    found = aiplatform.PipelineJob.list(filter='labels.run="good" AND state="PIPELINE_STATE_SUCCEEDED"')
    report["found"] = [one.name == good.name for one in found]
    report["unknown"] = refused(lambda: aiplatform.PipelineJob.list(filter="labels.run~good"))
    report["left"] = len(aiplatform.PipelineJob.list())
    return report


def fire(schedule: str) -> str:
    import requests

    session = AuthorizedSession(Token())
    url = f"https://europe-west4-aiplatform.googleapis.com/box/{schedule}:fire"
    answer: requests.Response = session.post(url)
    return str(answer.json()["state"])


if __name__ == "__main__":
    aiplatform.init(project="local", location="europe-west4", credentials=Token())
    sys.stdout.write(json.dumps(globals()[sys.argv[1]]()) + "\n")
    sys.stdout.flush()
    os._exit(0)  # the client's threads need no farewell
