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
from kfp import compiler

from cloudbox import faults
from cloudbox.home import Home
from tests.integration.cloudbox.two_tasks import two_tasks

SERVER = Path(__file__).with_name("prediction_server.py").read_text(encoding="utf-8")
PARENT = "projects/local/locations/europe-west4"
HOME = Home(Path(os.environ["BOX_HOME"]))
HOST = "europe-west4-aiplatform.googleapis.com"


class Token(Credentials):
    """Credentials that need no token endpoint."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # google-auth ships no types
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
    except (exceptions.GoogleAPICallError, ValueError) as error:
        return type(error).__name__
    return "nothing"


def life_of_an_endpoint() -> dict[str, Any]:
    first = upload("first", labels={"run": "one"}, version_aliases=["candidate"])
    second = upload("second", parent_model=first.resource_name, is_default_version=False, version_aliases=["candidate"])
    registry = second.versioning_registry
    versions = {version.version_id: sorted(version.version_aliases) for version in registry.list_versions()}
    endpoint = aiplatform.Endpoint.create(display_name="news", labels={"model": "news"})
    machine: dict[str, Any] = {"machine_type": "n1-standard-2", "min_replica_count": 1}
    endpoint.deploy(first, traffic_percentage=100, **machine)
    only = endpoint.predict([{"text": "a", "n": 5}], parameters={"top_k": 1})
    endpoint.deploy(second, traffic_percentage=0, **machine)
    ids = {model.model_version_id: model.id for model in endpoint.list_models()}
    at_zero = dict(endpoint.traffic_split)
    while_zero = {endpoint.predict([{"text": "a"}]).deployed_model_id for _ in range(10)}
    wrong = refused(lambda: endpoint.update(traffic_split={ids["1"]: 60, ids["2"]: 60}))
    endpoint.update(traffic_split={ids["1"]: 0, ids["2"]: 100})
    moved = endpoint.predict([{"text": "a"}])
    raw = endpoint.raw_predict(
        json.dumps({"instances": [{"text": "r"}]}).encode(), {"content-type": "application/json"}
    )
    matches = aiplatform.Endpoint.list(filter='labels.model="news"')
    none = aiplatform.Endpoint.list(filter='labels.model="other" AND display_name="news"')
    deployed_at = [deployed.endpoint for deployed in aiplatform.Model(first.resource_name).gca_resource.deployed_models]
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
        "found": [candidate.resource_name == endpoint.resource_name for candidate in matches],
        "none": len(none),
        "in_use": in_use,
        "busy": busy,
        "deployed_at": deployed_at == [endpoint.resource_name],
        "after": after.model_version_id,
        "left": [len(aiplatform.Endpoint.list()), len(aiplatform.Model.list())],
    }


def compiled(folder: Path) -> str:
    """The compiled pipeline of two_tasks.py."""
    path = folder / "pipeline.json"
    compiler.Compiler().compile(two_tasks, str(path))
    return str(path)


def job(path: str, **options: Any) -> Any:
    return aiplatform.PipelineJob(
        display_name="two tasks", template_path=path, pipeline_root="gs://bucket/root", enable_caching=False, **options
    )


def summary(pipeline: Any) -> dict[str, Any]:
    tasks = {task.task_name: task for task in pipeline.gca_resource.job_detail.task_details}
    error = pipeline.gca_resource.error.message
    return {
        "state": pipeline.state.name,
        "tasks": {name: task.state.name for name, task in tasks.items()},
        "errors": {name: task.error.message for name, task in tasks.items() if task.error.message},
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
        good, bad = (
            job(path, job_id="good", labels={"run": "good"}),
            job(path, job_id="bad", parameter_values={"word": "fail"}),
        )
        good.submit()
        bad.submit()
        report: dict[str, Any] = {"good": ended(good), "bad": ended(bad)}
        detail = {task_detail.task_name: task_detail for task_detail in good.gca_resource.job_detail.task_details}[
            "second"
        ]
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
        report["runs"] = [ended(run)["state"] for run in runs]
        schedule.delete()
        bad.delete()
    matches = aiplatform.PipelineJob.list(filter='labels.run="good" AND state="PIPELINE_STATE_SUCCEEDED"')
    report["found"] = [run.name == good.name for run in matches]
    report["unknown"] = refused(lambda: aiplatform.PipelineJob.list(filter="labels.run~good"))
    report["left"] = len(aiplatform.PipelineJob.list())
    return report


def fire(schedule: str) -> str:
    session = AuthorizedSession(Token())  # type: ignore[no-untyped-call]  # google-auth ships no types
    return str(session.post(f"https://{HOST}/box/{schedule}:fire").json()["state"])


def fault(**rule: Any) -> None:
    faults.add(HOME, faults.Fault.model_validate(rule))


def message(call: Callable[[], Any]) -> str:
    """Class and message of the error that a call ends in."""
    try:
        call()
    except (exceptions.GoogleAPICallError, RuntimeError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    return "nothing"


def custom_job(script: str, machine_type: str = "n1-standard-4", **options: Any) -> Any:
    container = {"image_uri": "steps", "command": ["python", "-c", script]}
    pool = {"machine_spec": {"machine_type": machine_type}, "replica_count": 1, "container_spec": container}
    made = aiplatform.CustomJob(
        display_name=options.pop("name", "job"), worker_pool_specs=[pool], staging_bucket="gs://bucket", **options
    )
    made.submit()
    return made


def job_end(made: Any) -> str:
    """State and error of a custom job once it has ended."""

    def read() -> Any:
        made._sync_gca_resource()
        return made.gca_resource

    done = until(read, lambda resource: resource.end_time is not None)
    return f"{done.state.name} {done.error.message}"


def faults_and_errors() -> dict[str, Any]:
    machine: dict[str, Any] = {"machine_type": "n1-standard-2", "min_replica_count": 1}
    model, broken = upload("good"), upload("broken", environment={"BROKEN": "1"})
    fault(kind="error", target="CreateEndpoint", code="RESOURCE_EXHAUSTED", times=1)
    report: dict[str, Any] = {"exhausted": refused(lambda: aiplatform.Endpoint.create(display_name="news"))}
    endpoint = aiplatform.Endpoint.create(display_name="news")
    report["bad_label"] = refused(lambda: aiplatform.Endpoint.create(display_name="x", labels={"Run": "One"}))
    fault(kind="quota", target="n1-standard-2", times=2)
    report["quota"] = refused(lambda: endpoint.deploy(model, **machine))
    report["job_quota"] = refused(lambda: custom_job("pass", "n1-standard-2"))
    fault(kind="never-ready", target="news", seconds=0.5, times=1)
    report["never_ready"] = message(lambda: endpoint.deploy(model, **machine))
    report["broken"] = message(lambda: endpoint.deploy(broken, **machine))
    report["none_deployed"] = [len(endpoint.list_models()), dict(endpoint.traffic_split)]
    fault(kind="kill", target="doomed", seconds=0.2, times=1)
    report["killed"] = job_end(custom_job("import time; time.sleep(60)", name="doomed"))
    report["memory"] = job_end(custom_job("x = b'1' * 1500 * 2**20; import time; time.sleep(60)", "n1-highcpu-1"))
    endless = custom_job("import time; time.sleep(60)")
    until(lambda: endless.state.name, lambda state: state == "JOB_STATE_RUNNING")
    endless.cancel()
    report["cancelled"] = job_end(endless)
    fault(kind="never-ends", target="DeleteEndpoint", times=1)
    operation = endpoint.api_client.delete_endpoint(name=endpoint.resource_name)
    report["endless"] = operation.done()
    operation.cancel()
    report["after_cancel"] = message(lambda: operation.result(timeout=10))
    jobs = aiplatform.gapic.JobServiceClient(client_options={"api_endpoint": HOST}, credentials=Token())
    report["unknown_method"] = refused(lambda: jobs.list_data_labeling_jobs(parent=PARENT))
    session = AuthorizedSession(Token())  # type: ignore[no-untyped-call]  # google-auth ships no types
    report["rest"] = session.get(f"https://{HOST}/v1/{PARENT}/models/7").json()
    return report


def before_the_kill() -> dict[str, Any]:
    endpoint = aiplatform.Endpoint.create(display_name="news", dedicated_endpoint_enabled=True)
    endpoint.deploy(upload("kept"), machine_type="n1-standard-2", traffic_percentage=100)
    asked = [{"text": "a"}]
    report: dict[str, Any] = {"dedicated": endpoint.predict(asked, use_dedicated_endpoint=True).predictions[0]["name"]}
    report["rest"] = endpoint.predict([{"text": "b", "n": 7}], use_dedicated_endpoint=True).predictions[0]["got"]
    clients = aiplatform.gapic.PredictionServiceClient(client_options={"api_endpoint": HOST}, credentials=Token())
    report["shared"] = message(lambda: clients.predict(endpoint=endpoint.resource_name, instances=asked))
    named = (("x-vertex-ai-endpoint-id", endpoint.name),)
    report["grpc"] = message(lambda: clients.predict(endpoint=endpoint.resource_name, instances=asked, metadata=named))
    died = refused(lambda: endpoint.predict([{"die": True}], timeout=5))
    healed = until(lambda: message(lambda: endpoint.predict(asked)), lambda said: said == "nothing")
    fault(kind="never-ready", target="news", seconds=100, times=1)
    first = endpoint.gca_resource.deployed_models[0]
    operation = endpoint.api_client.deploy_model(
        endpoint=endpoint.resource_name,
        deployed_model={"model": first.model, "dedicated_resources": first.dedicated_resources},
        traffic_split={"0": 0, endpoint.list_models()[0].id: 100},
    )
    sleeper = custom_job("import time; time.sleep(100)")
    until(lambda: sleeper.state.name, lambda state: state == "JOB_STATE_RUNNING")
    names = {"endpoint": endpoint.resource_name, "operation": operation.operation.name, "job": sleeper.resource_name}
    return {**report, "died": died != "nothing", "healed": healed, **names}


def after_the_kill() -> dict[str, Any]:
    names = json.loads(os.environ["NAMES"])
    endpoint = aiplatform.Endpoint(names["endpoint"])
    until(lambda: message(lambda: endpoint.predict([{"text": "a"}])), lambda said: said == "nothing")
    operation = endpoint.api_client.transport.operations_client.get_operation(names["operation"])
    job = aiplatform.CustomJob.get(names["job"])
    return {
        "deployed": len(endpoint.list_models()),
        "operation": [operation.done, operation.error.code, operation.error.message],
        "job": f"{job.state.name} {job.gca_resource.error.message}",
    }


if __name__ == "__main__":
    aiplatform.init(project="local", location="europe-west4", credentials=Token())
    sys.stdout.write(json.dumps(globals()[sys.argv[1]]()) + "\n")
    sys.stdout.flush()
    os._exit(0)  # the client's threads need no farewell
