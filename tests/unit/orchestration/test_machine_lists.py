"""Machines to try one after another: what fits, where they go in ZenML's settings, which one is next."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from evergreen.core.cloud import Machine
from orchestration.machine_fit import misfit
from orchestration.machine_lists import MachineChoice, check_machines, next_machines, with_machines
from orchestration.machines import machine_of

T4 = MachineChoice(machine_type="n1-standard-8", accelerator_type="NVIDIA_TESLA_T4", accelerator_count=1, spot=True)
L4 = MachineChoice(machine_type="g2-standard-8", accelerator_type="NVIDIA_L4", accelerator_count=1)
RESERVED = MachineChoice(machine_type="n1-standard-16", reservation="projects/p/zones/z/reservations/nightly")
LISTS = {"train": (T4, L4, RESERVED)}


@pytest.mark.parametrize(
    ("machine", "message"),
    [
        (Machine("n1-standard-8", "NVIDIA_TESLA_T4", 1), None),
        (Machine("n1-highmem-96", "NVIDIA_TESLA_T4", 4), None),
        (Machine("n1-standard-64", "NVIDIA_TESLA_T4", 1), "too large for 1 NVIDIA_TESLA_T4"),
        (Machine("n1-standard-16", "NVIDIA_TESLA_V100", 1), "too large for 1 NVIDIA_TESLA_V100"),
        (Machine("n1-standard-8", "NVIDIA_TESLA_T4", 3), "allowed: 1, 2, 4"),
        (Machine("n1-standard-8", "NVIDIA_L4", 1), "NVIDIA_L4 is part of g2-standard, not of n1-standard-8"),
        (Machine("g2-standard-24", "NVIDIA_L4", 2), None),
        (Machine("g2-standard-24", "NVIDIA_L4", 1), "comes with 2 NVIDIA_L4, got 1 NVIDIA_L4"),
        (Machine("g2-standard-8"), "comes with 1 NVIDIA_L4, got none; write accelerator_type: NVIDIA_L4"),
        (Machine("a2-highgpu-4g", "NVIDIA_TESLA_A100", 4), None),
        (Machine("a2-highgpu-4g", "NVIDIA_TESLA_T4", 4), "comes with 4 NVIDIA_TESLA_A100"),
        (Machine("e2-standard-8", "NVIDIA_TESLA_T4", 1), "e2-standard-8 takes no accelerator"),
        (Machine("e2-standard-8"), None),
        (Machine("x9-hyper-8", "NVIDIA_TESLA_T4", 1), None),
    ],
)
def test_an_accelerator_fits_its_machine_type_or_is_told(machine: Machine, message: str | None) -> None:
    problem = misfit(machine)
    assert problem is None if message is None else message in (problem or "")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"machine_type": "e2-standard-4", "accelerator_type": "NVIDIA_L4", "accelerator_count": 1}, "is part of g2"),
        ({"machine_type": "n1-standard-8", "accelerator_type": "NVIDIA_TESLA_T4"}, "go together"),
        ({"machine_type": "n1-standard-8", "spot": True, "reservation": RESERVED.reservation}, "exclude each other"),
        ({"machine_type": "n1-standard-8", "reservation": "nightly"}, "projects/"),
    ],
)
def test_an_impossible_entry_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        MachineChoice(**fields)


def test_a_step_on_the_operator_has_its_first_machine_and_the_whole_list() -> None:
    document = with_machines({"steps": {"train": {"step_operator": True}}}, LISTS)
    settings = document["steps"]["train"]["settings"]["step_operator"]
    assert settings["machines"][0] == {**T4.model_dump(exclude_defaults=True)}
    assert [machine["machine_type"] for machine in settings["machines"]] == [
        "n1-standard-8",
        "g2-standard-8",
        "n1-standard-16",
    ]
    assert machine_of(document, "train") == T4.machine  # what it costs is told by the first


def test_a_task_has_the_machine_that_was_chosen_however_it_is_had() -> None:
    def job(number: int) -> Any:
        document = with_machines({"settings": {"orchestrator.vertex": {"labels": {}}}}, LISTS, {"train": number})
        return document["steps"]["train"]["settings"]["orchestrator"]["custom_job_parameters"]

    assert job(0)["additional_training_job_args"] == {"strategy": "SPOT"}
    assert job(1) == {"machine_type": "g2-standard-8", "accelerator_type": "NVIDIA_L4", "accelerator_count": 1}
    assert job(2)["additional_training_job_args"]["reservation_affinity_values"] == [RESERVED.reservation]


def test_the_key_that_a_person_wrote_is_kept() -> None:
    options = {"settings": {"orchestrator.vertex": {"labels": {"team": "news"}}}}
    document = with_machines({"steps": {"train": options}}, LISTS)
    assert document["steps"]["train"]["settings"].keys() == {"orchestrator.vertex"}
    assert document["steps"]["train"]["settings"]["orchestrator.vertex"]["labels"] == {"team": "news"}


def test_the_next_machine_is_tried_until_the_list_ends() -> None:
    first = next_machines(LISTS, {}, ["train"])
    assert first == {"train": 1}
    assert next_machines(LISTS, {"train": 1, "fetch": 1}, ["train"]) == {"train": 2, "fetch": 1}
    assert next_machines(LISTS, {"train": 2}, ["train"]) is None
    assert next_machines(LISTS, {}, ["fetch"]) is None  # it has no list
    assert next_machines(LISTS, {}, []) is None


def test_a_list_of_no_step_a_machine_said_twice_and_one_that_cannot_be_are_mistakes() -> None:
    settings = {"step_operator": {"machine_type": "e2-standard-4", "accelerator_type": "NVIDIA_L4"}}
    document = {
        "steps": {
            "train": {"step_operator": True, "settings": settings},
            "evaluate": {"step_operator": True, "settings": settings},
        }
    }
    messages = {
        mistake.path: mistake.message
        for mistake in check_machines(document, {**LISTS, "trian": (L4,)}, ["train", "evaluate"])
    }
    assert "did you mean 'train'" in messages[("extra", "machines", "trian")]
    assert "remove machine_type, accelerator_type here" in messages[("steps", "train", "settings")]
    assert "NVIDIA_L4 is part of g2-standard" in messages[("steps", "evaluate", "settings")]
