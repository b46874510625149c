"""A custom job on the first machine of a list that Vertex AI has, with Google's client against the box."""

from __future__ import annotations

import time
from typing import Any

import pytest
from google.cloud import aiplatform_v1 as v1
from zenml.config import ResourceSettings
from zenml.integrations.gcp.utils import build_job_request

from cloudbox import faults
from cloudbox.box import Box
from evergreen.core.errors import EvergreenError
from orchestration import attempts
from orchestration.attempts import Attempts
from orchestration.machine_lists import MachineChoice
from orchestration.machine_operator import job_on
from orchestration.machine_settings import MachinesSettings

SPOT = MachineChoice(machine_type="n1-standard-8", accelerator_type="NVIDIA_TESLA_T4", accelerator_count=1, spot=True)
LARGE, SMALL = MachineChoice(machine_type="n1-standard-16"), MachineChoice(machine_type="n1-standard-4")


class Tried:
    """A step's job, tried on machines, and waited for."""

    def __init__(self, box: Box, *command: str, key: str | None = None, **fields: Any) -> None:
        address = {"api_endpoint": "us-central1-aiplatform.googleapis.com"}
        self.client = v1.JobServiceClient(client_options=address)
        pool = {"replica_count": 1, "container_spec": {"image_uri": "steps", "command": list(command)}}
        job = {"display_name": "run-7-train", "job_spec": {"worker_pool_specs": [pool]}, **of_zenml(key), **fields}
        parent = f"projects/{box.project}/locations/us-central1"
        self.attempts = Attempts(
            lambda: self.client, parent, [SPOT, LARGE, SMALL], lambda machine: job_on(job, machine, SPOT)
        )

    def ended(self) -> Any:
        """The job that was started last, once no other machine has to be tried."""
        while True:
            job = self.wait(self.attempts.submit())
            if job.state == v1.JobState.JOB_STATE_SUCCEEDED:
                return job
            self.attempts.after_failure(job.name)

    def wait(self, name: str) -> Any:
        for _ in range(200):
            job = self.client.get_custom_job(name=name)
            if job.end_time:
                return job
            time.sleep(0.05)
        raise AssertionError(f"{name} is {job.state.name}")


def of_zenml(key: str | None) -> dict[str, Any]:
    """What ZenML asks for beside machines, as its step operator does."""
    machine = MachinesSettings(machine_type="n1-standard-4")
    request = build_job_request("run-7", "steps", ["true"], machine, ResourceSettings(), {}, {}, key)
    return {"encryption_spec": request["encryption_spec"]}


def test_a_job_is_encrypted_with_the_key_of_the_step_operator_alone(spared: Box) -> None:
    key = "projects/local-project/locations/us-central1/keyRings/ring/cryptoKeys/key"
    encrypted, plain = (Tried(spared, "true", key=key_name).ended() for key_name in (key, None))
    assert (encrypted.encryption_spec.kms_key_name, "encryption_spec" in plain) == (key, False)


def test_a_job_that_vertex_ai_does_not_take_is_told_in_its_words(spared: Box) -> None:
    tried = Tried(spared, "true", display_name="")
    with pytest.raises(EvergreenError, match=r"does not take the step's job on n1-standard-8 \+ 1 .*display_name"):
        tried.attempts.submit()


@pytest.fixture
def spared(box: Box) -> Any:
    yield box
    faults.clear(box.home)


def fault(box: Box, kind: faults.Kind, target: str, **rule: Any) -> None:
    faults.add(box.home, faults.Fault(kind=kind, target=target, **rule))


def test_the_job_runs_on_the_one_machine_whose_quota_is_not_exhausted(spared: Box) -> None:
    fault(spared, "quota", "spot,n1-standard-16")
    tried = Tried(spared, "true")
    job = tried.ended()
    assert job.state == v1.JobState.JOB_STATE_SUCCEEDED
    assert job.job_spec.worker_pool_specs[0].machine_spec.machine_type == "n1-standard-4"
    spot, large, had = tried.attempts.history()
    assert spot.startswith("n1-standard-8 + 1 NVIDIA_TESLA_T4, spot: no machine was to be had: The following quota")
    assert large.startswith("n1-standard-16: no machine was to be had: ")
    assert had == "n1-standard-4: had instead"


def test_what_was_accepted_and_not_provided_or_taken_back_goes_on_elsewhere(spared: Box) -> None:
    fault(spared, "preempt", "run-7-train", seconds=0.2, times=1)
    fault(spared, "stockout", "n1-standard-16")
    tried = Tried(spared, "sleep", "1")
    job = tried.ended()
    assert job.state == v1.JobState.JOB_STATE_SUCCEEDED
    assert [refusal.partition(": ")[2].partition(":")[0] for refusal in tried.attempts.refused] == [
        "its Spot machine was taken back (preempted)",
        "no machine was to be had",
    ]


def test_a_job_that_waits_for_its_machine_too_long_gives_way_to_another(
    spared: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault(spared, "queue", "n1-*", seconds=60, times=2)
    tried = Tried(spared, "true")
    first = tried.attempts.submit()
    assert not tried.attempts.waits_in_vain(first)
    monkeypatch.setattr(attempts, "QUEUED_S", 0.0)
    assert tried.attempts.waits_in_vain(first)
    tried.attempts.after_failure(first)
    second = tried.attempts.submit()
    assert tried.attempts.waits_in_vain(second)
    last = tried.attempts.submit()
    assert not tried.attempts.waits_in_vain(last)  # there is nothing else to try
    assert tried.wait(last).state == v1.JobState.JOB_STATE_SUCCEEDED
    assert tried.wait(first).state == tried.wait(second).state == v1.JobState.JOB_STATE_CANCELLED
    assert tried.attempts.history() == [
        "n1-standard-8 + 1 NVIDIA_TESLA_T4, spot: no machine was to be had: its job was queued for 0 min",
        "n1-standard-16: no machine was to be had: its job was queued for 0 min",
        "n1-standard-4: had instead",
    ]


def test_when_none_is_to_be_had_all_are_told(spared: Box) -> None:
    fault(spared, "quota", "n1-*")
    with pytest.raises(EvergreenError, match=r"no machine is left to try: n1-standard-8 .*; n1-standard-16: .*-4: no"):
        Tried(spared, "true").ended()


def test_what_would_end_every_machine_is_told_at_once(spared: Box) -> None:
    fault(spared, "image", "run-7-train")
    with pytest.raises(
        EvergreenError, match=r"on n1-standard-8 .* did not start: its image cannot be pulled: Failed to"
    ):
        Tried(spared, "true").ended()


def test_code_that_ended_is_no_reason_for_another_machine(spared: Box) -> None:
    tried = Tried(spared, "false")
    with pytest.raises(EvergreenError, match="ended without a word of its code: The replica workerpool0-0 exited with"):
        tried.ended()
    assert tried.attempts.history() == []


BUILT_IN = MachineChoice(machine_type="g2-standard-8", accelerator_type="NVIDIA_L4", accelerator_count=1)
NONE = "ACCELERATOR_TYPE_UNSPECIFIED"


@pytest.mark.parametrize(
    ("machines", "given", "accelerators"),
    [
        ((SPOT, LARGE, BUILT_IN), "1 NVIDIA_TESLA_T4", ["1 NVIDIA_TESLA_T4", NONE, "1 NVIDIA_L4"]),
        ((LARGE, SPOT), NONE, [NONE, "1 NVIDIA_TESLA_T4"]),
        ((SPOT, LARGE), "3 of my own", ["3 of my own", "3 of my own"]),  # whoever submitted it says so
        ((LARGE, SPOT), None, [None, None]),  # the submitter says that no machine here has any
    ],
)
def test_a_job_is_told_the_accelerators_of_the_machine_that_it_is_tried_on(
    machines: tuple[MachineChoice, ...], given: str | None, accelerators: list[str | None]
) -> None:
    env = [{"name": "OTHER", "value": "x"}, *([{"name": "EVERGREEN_ACCELERATORS", "value": given}] if given else [])]
    job = {"job_spec": {"worker_pool_specs": [{"container_spec": {"env": env}}]}}
    for machine, expected in zip(machines, accelerators, strict=True):
        (pool,) = job_on(job, machine, machines[0])["job_spec"]["worker_pool_specs"]
        values = {variable["name"]: variable["value"] for variable in pool["container_spec"]["env"]}
        assert values == {"OTHER": "x", **({"EVERGREEN_ACCELERATORS": expected} if expected else {})}
