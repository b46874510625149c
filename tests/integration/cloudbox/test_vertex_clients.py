"""The unmodified google-cloud-aiplatform against the Vertex AI of the box, through TLS and a proxy."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.integration.cloudbox.vertex_box import VertexBox, running


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VertexBox]:
    with running(tmp_path_factory.mktemp("home")) as box:
        yield box


def test_two_versions_live_behind_one_endpoint(box: VertexBox) -> None:
    seen = box.client("life_of_an_endpoint")
    answer = seen["only"][0][0]
    assert seen["versions"] == {"1": ["default"], "2": ["candidate"]}, "an alias belongs to one version"
    assert (answer["name"], answer["got"], seen["only"][1:]) == ("first", {"text": "a", "n": 5}, [True, "1"])
    assert answer["args"][0].startswith("--port=")
    assert answer["args"][0] != "--port=$(AIP_HTTP_PORT)"
    assert (answer["args"][1], answer["storage"]) == ("$(AIP_HTTP_PORT)", "gs://bucket/first")
    assert (answer["leaked"], answer["image"]) == (False, "yes"), "a clean environment with what the image gives"
    assert (seen["at_zero"], seen["while_zero"]) == (True, True)
    assert seen["wrong"] == "InvalidArgument"
    assert (seen["moved"][0][0]["name"], seen["moved"][1]) == ("second", "2")
    assert (seen["raw"][0][0]["got"], seen["raw"][1]) == ({"text": "r"}, True)
    assert (seen["found"], seen["none"], seen["deployed_at"]) == ([True], 0, True)
    assert (seen["in_use"], seen["busy"]) == ("FailedPrecondition", "FailedPrecondition")
    assert (seen["after"], seen["left"]) == ("2", [0, 0])


def test_pipelines_run_in_order_and_schedules_fire(box: VertexBox) -> None:
    seen = box.client("pipelines")
    assert seen["good"]["tasks"] == {"first": "SUCCEEDED", "second": "SUCCEEDED"}
    assert seen["bad"]["tasks"] == {"first": "FAILED", "second": "NOT_TRIGGERED"}
    assert "non-zero status of 1" in seen["bad"]["errors"]["first"]
    assert "in the log" in seen["bad"]["errors"]["first"]
    assert seen["bad"]["state"] == "PIPELINE_STATE_FAILED"
    assert "[first]" in seen["bad"]["error"]
    assert seen["machine"] == "e2-standard-8", "6 CPUs and 20 GB"
    assert seen["next"] == [1, 2], "3:00 in Berlin's winter is 2:00 UTC"
    assert (seen["paused"], seen["runs"]) == ("PAUSED", ["PIPELINE_STATE_SUCCEEDED"])
    assert (seen["found"], seen["unknown"], seen["left"]) == ([True], "InvalidArgument", 2)


def test_faults_and_mistakes_are_answered_as_google_does(box: VertexBox) -> None:
    seen = box.client("faults_and_errors")
    assert (seen["exhausted"], seen["quota"], seen["job_quota"]) == ("ResourceExhausted",) * 3
    assert seen["bad_label"] == "InvalidArgument"
    assert "never became ready" in seen["never_ready"]
    assert "weights are missing" in seen["broken"]
    assert seen["none_deployed"] == [0, {}]
    assert seen["killed"].startswith("JOB_STATE_FAILED")
    assert "status of 137" in seen["killed"]
    assert "OOMKilled" in seen["memory"]
    assert seen["cancelled"] == "JOB_STATE_CANCELLED "
    assert seen["endless"] is False
    assert "cancelled" in seen["after_cancel"]
    assert seen["unknown_method"] == "MethodNotImplemented"
    refusals = [json.loads(line) for line in (box.home / "refusals.jsonl").read_text().splitlines()]
    assert "google.cloud.aiplatform.v1.JobService/ListDataLabelingJobs" in {refusal["what"] for refusal in refusals}
    assert (seen["rest"]["error"]["code"], seen["rest"]["error"]["status"]) == (404, "NOT_FOUND")


def test_a_killed_service_takes_up_its_endpoints_and_fails_what_was_under_way(tmp_path: Path) -> None:
    with running(tmp_path) as box:
        before: dict[str, Any] = box.client("before_the_kill")
        assert (before["dedicated"], before["rest"]) == ("kept", {"text": "b", "n": 7})
        assert "dedicated dns name" in before["shared"], "the region's host does not answer for a dedicated endpoint"
        assert before["grpc"] == "nothing", "gRPC names the endpoint in a header"
        assert (before["died"], before["healed"]) == (True, "nothing"), "a container that dies is started again"
        left = [json.loads(path.read_text()) for path in tmp_path.glob("vertex/containers/*/process.json")]
        alive = [psutil.Process(process["pid"]) for process in left if psutil.pid_exists(process["pid"])]
        box.stop(signal.SIGKILL)
        box.start()
        assert not psutil.wait_procs(alive, timeout=10)[1], "containers of the killed service are gone"
        after = box.client("after_the_kill", NAMES=json.dumps(before))
    assert after["deployed"] == 1
    assert after["operation"] == [True, 10, "The service restarted meanwhile."]
    assert after["job"] == "JOB_STATE_FAILED The service restarted while the job ran."
