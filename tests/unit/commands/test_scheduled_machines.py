"""What a schedule may leave to its firings: a task's machine is frozen with it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from commands.schedule import _check_machines
from evergreen.core.errors import InputError
from orchestration.machine_lists import MachineChoice

FIRST, SECOND = MachineChoice(machine_type="n1-standard-8"), MachineChoice(machine_type="n1-standard-4")


def project(*machines: MachineChoice, operator: bool) -> Any:
    document = {"steps": {"train": {"step_operator": operator}}}
    return SimpleNamespace(configuration=SimpleNamespace(machines={"train": machines}, document=document))


def test_a_list_is_scheduled_where_the_step_tries_it_itself_or_there_is_nothing_to_try() -> None:
    _check_machines(project(FIRST, SECOND, operator=True))
    _check_machines(project(FIRST, operator=False))


def test_a_list_for_a_task_is_refused_with_what_to_set() -> None:
    with pytest.raises(
        InputError, match=r"extra\.machines\.train lists 2 machines.* set steps\.train\.step_operator: true"
    ):
        _check_machines(project(FIRST, SECOND, operator=False))
