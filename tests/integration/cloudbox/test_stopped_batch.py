"""`run.py stop` while a run's batch prediction job is under way on Vertex AI: both end, and nothing is half written."""

from __future__ import annotations

import pytest

from tests.integration.cloudbox.person import Person
from tests.running_box import running_box
from tests.waiting import wait_until

pytestmark = [pytest.mark.e2e, pytest.mark.emulated]

MODULE = "tests.integration.cloudbox.stopped_batch"


def test_a_stopped_run_takes_its_batch_prediction_job_with_it(tmp_path_factory: pytest.TempPathFactory) -> None:
    name = "batch-1"
    with running_box(tmp_path_factory.mktemp("box") / "home", "gateway", "gcs", "vertex", "zenml") as box:
        person = Person(box, tmp_path_factory.mktemp("person"), MODULE)
        version = person.says("register").split()[-1]
        process = person.starts(name, version)
        try:
            wait_until(
                lambda: process.poll() is not None or person.state(name)["batches"] == ["JOB_STATE_RUNNING"],
                timeout_s=400,
            )
            assert process.poll() is None, process.communicate()[0]
            assert person.state(name)["pipelines"] == ["PIPELINE_STATE_RUNNING"]

            said = person.says("stop", name)
            assert f"run         {name}  stopped  (pipeline job cancelled" in said
            assert "1 batch prediction job cancelled)" in said
            assert process.wait(timeout=240) != 0
        finally:
            process.kill()
            process.communicate()
        assert person.state(name) == {
            "pipelines": ["PIPELINE_STATE_CANCELLED"],
            "batches": ["JOB_STATE_CANCELLED"],
            "zenml": ["stopped"],
            "output": [],
        }
        assert person.says("stop", name).startswith("nothing to stop")
