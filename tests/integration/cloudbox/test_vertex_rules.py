"""Decisions of the Vertex AI of the box that need no server: traffic, labels, cron, placeholders, addresses."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.cloud import aiplatform_v1 as v1
from hypothesis import given
from hypothesis import strategies as st

from cloudbox.errors import ApiError
from cloudbox.rpc import lag_s
from cloudbox.vertex.labels import check_labels
from cloudbox.vertex.machines import machine_for, memory_bytes
from cloudbox.vertex.pipeline_spec import input_values, resolver, root_parameters, tasks_of
from cloudbox.vertex.schedules import may_start, next_time
from cloudbox.vertex.serving import expanded
from cloudbox.vertex.store import Store
from cloudbox.vertex.traffic import check_traffic, chosen, without
from cloudbox.vertex.transcoding import routes


def spec(**tasks: dict[str, Any]) -> dict[str, Any]:
    """A specification of tasks that share one component with the parameter `word`."""
    full = {name: {"componentRef": {"name": "comp"}, **task} for name, task in tasks.items()}
    inputs = {"parameters": {"word": {"parameterType": "STRING"}, "options": {"parameterType": "STRUCT"}}}
    return {
        "root": {
            "dag": {"tasks": full},
            "inputDefinitions": {"parameters": {"n": {"parameterType": "NUMBER_INTEGER"}}},
        },
        "components": {"comp": {"executorLabel": "exec", "inputDefinitions": inputs}},
        "deploymentSpec": {"executors": {"exec": {"container": {"image": "i"}}}},
    }


@pytest.mark.parametrize("split", [{"a": 60, "b": 60}, {"a": 100, "c": 0}, {"a": 120, "b": -20}, {"a": 99}])
def test_traffic_sums_to_a_hundred_over_deployed_models(split: dict[str, int]) -> None:
    check_traffic({}, ["a"])
    check_traffic({"a": 30, "b": 70}, ["a", "b"])
    with pytest.raises(ApiError):
        check_traffic(split, ["a", "b"])


def test_a_model_with_traffic_is_undeployed_only_with_a_new_split() -> None:
    assert without({"a": 100, "b": 0}, "b", {}) == {"a": 100}
    assert without({"a": 100}, "a", {}) == {}
    assert without({"a": 100, "b": 0}, "a", {"b": 100, "a": 0}) == {"b": 100}
    with pytest.raises(ApiError) as refused:
        without({"a": 60, "b": 40}, "a", {})
    assert refused.value.code is grpc.StatusCode.FAILED_PRECONDITION


@given(st.lists(st.integers(0, 100), min_size=1, max_size=5).filter(any))
def test_a_model_without_traffic_is_never_chosen(shares: list[int]) -> None:
    assert shares[int(chosen({str(number): share for number, share in enumerate(shares)}))] > 0


@pytest.mark.parametrize(
    "labels", [{"Run": "a"}, {"run": "A"}, {"1run": "a"}, {"run": "a" * 64}, {"r" * 64: "a"}, {"run": "a.b"}, {"": "a"}]
)
def test_labels_are_lowercase_and_short(labels: dict[str, str]) -> None:
    check_labels({"run_1": "", "größe": "a-b_1"})
    with pytest.raises(ApiError):
        check_labels(labels)


def test_cron_follows_its_time_zone_through_the_year() -> None:
    winter, summer = (datetime.datetime(2026, month, 1, tzinfo=datetime.UTC) for month in (1, 7))
    cron = "TZ=Europe/Berlin 0 3 * * *"
    assert [next_time(cron, day).hour for day in (winter, summer)] == [2, 1]
    assert next_time("*/15 * * * *", winter) == winter + datetime.timedelta(minutes=15)


@pytest.mark.parametrize(("limits", "running", "starts"), [((1, 0), 3, True), ((1, 1), 0, True), ((5, 1), 1, False)])
def test_only_the_limit_of_active_runs_holds_a_run_back(limits: tuple[int, int], running: int, starts: bool) -> None:
    schedule = v1.Schedule(max_concurrent_run_count=limits[0], max_concurrent_active_run_count=limits[1])
    assert may_start(schedule, running) == starts


@pytest.mark.parametrize("cron", ["", "* * * *", "61 * * * *", "TZ=Mars/Base 0 3 * * *", "* * * * * *"])
def test_a_cron_line_that_names_no_time_is_refused(cron: str) -> None:
    with pytest.raises(ApiError):
        next_time(cron, datetime.datetime.now(datetime.UTC))


def test_variables_are_expanded_as_kubernetes_does() -> None:
    assert expanded("--p=$(PORT) $(NONE) $$(PORT)", {"PORT": "8080"}) == "--p=8080 $(NONE) $(PORT)"


def test_machines_hold_what_a_task_asks_for() -> None:
    assert memory_bytes("n1-standard-4") == 15 * 2**30
    assert memory_bytes("custom") is None
    assert machine_for(0, 0, accelerated=False) == "e2-standard-4"
    assert machine_for(6, 20, accelerated=True) == "n1-standard-8"
    assert machine_for(4, 200, accelerated=False) == "e2-highmem-32"


def test_a_cycle_and_what_the_box_cannot_run_are_refused_before_anything_runs() -> None:
    with pytest.raises(ApiError, match="wait for each other"):
        tasks_of(spec(a={"dependentTasks": ["b"]}, b={"dependentTasks": ["a"]}))
    with pytest.raises(ApiError) as refused:
        tasks_of(spec(a={"triggerPolicy": {"condition": "x"}}))
    assert refused.value.code is grpc.StatusCode.UNIMPLEMENTED


def test_inputs_come_from_constants_other_tasks_and_defaults() -> None:
    [_, second] = tasks_of(
        spec(
            a={},
            b={
                "inputs": {
                    "parameters": {"word": {"taskOutputParameter": {"producerTask": "a", "outputParameterKey": "o"}}}
                }
            },
        )
    )
    assert second.after == ("a",)
    assert input_values(second, {}, {"a": {"o": 3.0}}) == {"word": 3, "options": {}}
    with pytest.raises(ApiError, match="did not write"):
        input_values(second, {}, {"a": {}})


def test_a_missing_and_an_unknown_parameter_of_the_pipeline_are_named() -> None:
    assert root_parameters(spec(), {"n": 1}) == {"n": 1}
    with pytest.raises(ApiError, match="`n` has no value"):
        root_parameters(spec(), {})
    with pytest.raises(ApiError, match="`m`"):
        root_parameters(spec(), {"n": 1, "m": 2})


def test_placeholders_are_filled_within_values_too_and_an_unknown_one_is_refused() -> None:
    values = {
        "where": "{{$.pipeline_google_cloud_location}}",
        "specs": [{"replica": 1, "job": "{{$.pipeline_job_name}}"}],
    }
    fixed = {".pipeline_google_cloud_location": "eu", ".pipeline_job_name": "j1"}
    resolve = resolver(fixed, values, {"out": "/f/out"})
    assert (
        resolve("--at {{$.inputs.parameters['where']}} {{$.outputs.parameters['out'].output_file}}") == "--at eu /f/out"
    )
    assert json.loads(resolve("{{$.inputs.parameters['specs']}}")) == [{"replica": 1, "job": "j1"}]
    with pytest.raises(ApiError, match="not known"):
        resolve("{{$.pipeline_colour}}")


def test_resources_survive_the_closing_of_their_store(tmp_path: Path) -> None:
    first = Store(tmp_path / "resources.sqlite")
    first.put(v1.Endpoint(name="projects/p/locations/l/endpoints/1", display_name="news", traffic_split={"7": 100}))
    assert first.next_number("versions") == 1
    first.close()
    second = Store(tmp_path / "resources.sqlite")
    [kept] = second.listed(v1.Endpoint, "projects/p/locations/l/endpoints")
    assert (kept.display_name, dict(kept.traffic_split), second.next_number("versions")) == ("news", {"7": 100}, 2)
    assert second.find(v1.Model, kept.name) is None
    second.close()


@pytest.mark.parametrize(
    ("verb", "path", "method"),
    [
        ("POST", "/v1/projects/p/locations/l/endpoints/1:predict", "Predict"),
        ("POST", "/v1beta1/projects/p/locations/l/endpoints/1:rawPredict", "RawPredict"),
        ("GET", "/v1/projects/p/locations/l/models/1@2", "GetModel"),
        ("PATCH", "/v1/projects/p/locations/l/endpoints/1", "UpdateEndpoint"),
        ("GET", "/ui/projects/p/locations/l/endpoints/1/operations/2", "GetOperation"),
        ("POST", "/v1/projects/p/locations/l/operations/2:wait", "WaitOperation"),
    ],
)
def test_rest_addresses_lead_to_their_methods(verb: str, path: str, method: str) -> None:
    matches = [route.path for route in routes() if route.verb == verb and route.pattern.fullmatch(path)]
    assert [refusal.rpartition("/")[2] for refusal in matches] == [method]


def test_a_list_that_lags_tells_what_was_there_before(tmp_path: Path) -> None:
    store = Store(tmp_path / "resources.sqlite")
    name = "projects/p/locations/l/endpoints/"
    changed, gone, new = (v1.Endpoint(name=f"{name}{number}", display_name="old") for number in (1, 2, 3))
    store.put(changed)
    store.put(gone)
    store._changes.clear()  # they are from long ago
    changed.display_name = "now"
    store.put(changed)
    store.delete(gone.name)
    store.put(new)

    def listed() -> list[tuple[str, str]]:
        return [(endpoint.name[-1], endpoint.display_name) for endpoint in store.listed(v1.Endpoint, name.rstrip("/"))]

    assert listed() == [("1", "now"), ("3", "old")]
    token = lag_s.set(60)
    assert listed() == [("1", "old"), ("2", "old")]
    assert store.get(v1.Endpoint, changed.name).display_name == "now"
    lag_s.reset(token)
    assert listed() == [("1", "now"), ("3", "old")]
    store.close()
