"""The machine of each step, as ZenML and Vertex AI would choose it from a run configuration."""

from __future__ import annotations

from typing import Any

import pytest

from evergreen.core.cloud import Machine
from orchestration.machine_lists import MachineChoice, with_machines
from orchestration.machines import DEFAULT_SECONDS, accelerators_of, machine_of, tasks_of

GPU: dict[str, Any] = {"machine_type": "n1-standard-8", "accelerator_type": "NVIDIA_TESLA_T4", "accelerator_count": 1}
ALWAYS_WITH_GPU = {"machine_type": "g2-standard-4"}
ON_GPU = Machine("n1-standard-8", "NVIDIA_TESLA_T4", 1)


@pytest.mark.parametrize(
    ("document", "machine"),
    [
        ({}, Machine("e2-standard-4")),
        ({"steps": {"train": None}}, Machine("e2-standard-4")),
        ({"steps": {"train": {"step_operator": True}}}, Machine("n1-standard-4")),
        ({"steps": {"train": {"step_operator": "vertex", "settings": {"step_operator": GPU}}}}, ON_GPU),
        ({"steps": {"train": {"settings": {"step_operator": GPU}}}}, Machine("e2-standard-4")),
        ({"settings": {"step_operator.vertex": GPU}, "steps": {"train": {"step_operator": True}}}, ON_GPU),
        ({"settings": {"orchestrator.vertex": {"custom_job_parameters": GPU}}}, ON_GPU),
        ({"steps": {"train": {"settings": {"orchestrator": {"custom_job_parameters": GPU}}}}}, ON_GPU),
        (
            {
                "settings": {"step_operator": GPU},
                "steps": {
                    "train": {
                        "step_operator": True,
                        "settings": {"step_operator:vertex": {"machine_type": "n1-standard-16"}},
                    }
                },
            },
            Machine("n1-standard-16", "NVIDIA_TESLA_T4", 1),
        ),
    ],
)
def test_the_machine_follows_the_configuration(document: dict[str, Any], machine: Machine) -> None:
    assert machine_of(document, "train") == machine


def test_a_machine_that_vertex_chooses_by_resources_is_said_to_be_unknown() -> None:
    document = {"settings": {"resources": {"cpu_count": 8, "memory": "32GB"}}}
    answer = machine_of(document, "train")
    assert answer == "step train asks for resources (cpu_count 8, memory 32GB): Vertex AI chooses the machine"


def test_steps_without_a_measured_time_get_the_default_and_say_so() -> None:
    fetch, train = tasks_of({}, ["fetch", "train"], {"train": 90.0})
    assert (fetch.seconds, fetch.measured) == (DEFAULT_SECONDS, False)
    assert (train.seconds, train.measured) == (90.0, True)


OPERATED = {"steps": {"train": {"step_operator": True, "settings": {"step_operator": GPU}}}}


@pytest.mark.parametrize(
    ("document", "components", "asked"),
    [
        ({}, {}, {}),
        ({"steps": {"train": {"step_operator": True}}}, {}, {}),
        (OPERATED, {}, {"train": "1 NVIDIA_TESLA_T4"}),
        ({"steps": {"train": {"step_operator": True}}}, {"step_operator": GPU}, {"train": "1 NVIDIA_TESLA_T4"}),
        (
            {"settings": {"orchestrator": {"custom_job_parameters": GPU}}},
            {},
            {"fetch": "1 NVIDIA_TESLA_T4", "train": "1 NVIDIA_TESLA_T4"},
        ),
        ({"steps": {"train": {"settings": {"resources": {"gpu_count": 2}}}}}, {}, {"train": "2 GPU"}),
        (
            {},
            {"orchestrator": {"gpu_limit": 1, "node_selector_constraint": ["accelerator", "NVIDIA_TESLA_T4"]}},
            {"fetch": "1 NVIDIA_TESLA_T4", "train": "1 NVIDIA_TESLA_T4"},
        ),
        (
            {**OPERATED, "settings": {"resources": {"gpu_count": 4}}},
            {},
            {"fetch": "4 GPU", "train": "4 NVIDIA_TESLA_T4"},
        ),
        (
            {"steps": {"train": {"step_operator": True, "settings": {"step_operator": ALWAYS_WITH_GPU}}}},
            {},
            {"train": "1 NVIDIA_L4"},
        ),
    ],
)
def test_accelerators_are_those_of_the_step_the_run_and_the_stack(
    document: dict[str, Any], components: dict[str, Any], asked: dict[str, str]
) -> None:
    assert accelerators_of(document, ["fetch", "train"], components) == asked


CPU_FIRST = (MachineChoice(machine_type="n1-standard-8"), MachineChoice(**GPU))


@pytest.mark.parametrize(
    ("machines", "asked"),
    [
        (CPU_FIRST, {"train": "ACCELERATOR_TYPE_UNSPECIFIED"}),  # the operator has to have something to replace
        (CPU_FIRST[::-1], {"train": "1 NVIDIA_TESLA_T4"}),
        (CPU_FIRST[:1], {}),
    ],
)
def test_a_step_whose_operator_may_take_a_machine_with_accelerators_is_told_of_the_first(
    machines: tuple[MachineChoice, ...], asked: dict[str, str]
) -> None:
    document = with_machines({"steps": {"train": {"step_operator": True}}}, {"train": machines})
    assert accelerators_of(document, ["fetch", "train"]) == asked


def test_a_task_that_is_submitted_again_is_told_of_the_machine_that_it_is_submitted_for() -> None:
    lists = {"train": CPU_FIRST}
    assert accelerators_of(with_machines({}, lists), ["fetch", "train"]) == {}
    assert accelerators_of(with_machines(with_machines({}, lists), lists, {"train": 1}), ["train"]) == {
        "train": "1 NVIDIA_TESLA_T4"
    }


def test_the_task_that_waits_for_a_step_operator_is_billed_as_long() -> None:
    fetch, train, waiting = tasks_of(OPERATED, ["fetch", "train"], {"train": 90.0})
    assert (fetch.step, train.step, waiting.step) == ("fetch", "train", "train waits")
    assert (train.machine, waiting.machine) == (ON_GPU, Machine("e2-standard-4"))
    assert (waiting.seconds, waiting.measured) == (90.0, True)
