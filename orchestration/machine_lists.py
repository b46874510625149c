"""Machines that a step may run on, in the order in which they are tried: the next one where one is not to be had.

extra:
  machines:
    train:
      - {machine_type: n1-standard-8, accelerator_type: NVIDIA_TESLA_T4, accelerator_count: 1, spot: true}
      - {machine_type: g2-standard-8, accelerator_type: NVIDIA_L4, accelerator_count: 1}
      - {machine_type: n1-standard-16}
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, model_validator

from evergreen.core.base import Frozen
from evergreen.core.cloud import Machine
from evergreen.core.names import written_as
from orchestration.machine_fit import misfit
from orchestration.machines import machine_of
from orchestration.mistakes import Mistake, unknown
from orchestration.run_settings import settings_of, with_settings

RESERVATION_KEY = "compute.googleapis.com/reservation-name"
SPECIFIC_RESERVATION = "SPECIFIC_RESERVATION"
SPOT = "SPOT"
SAID_TWICE = ("machine_type", "accelerator_type", "accelerator_count", "custom_job_parameters")


Reservation = Annotated[
    str,
    AfterValidator(
        written_as(r"projects/[^/]+/zones/[^/]+/reservations/[^/]+", "projects/PROJECT/zones/ZONE/reservations/NAME")
    ),
]


class MachineChoice(Frozen):
    """One machine to try. `spot`: cheaper, and may be taken back at any time; `reservation` is one of the project's."""

    machine_type: str = Field(min_length=1)
    accelerator_type: str | None = None
    accelerator_count: int = Field(default=0, ge=0)
    spot: bool = False
    reservation: Reservation | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.accelerator_type is None) != (self.accelerator_count == 0):
            raise ValueError("accelerator_type and accelerator_count go together; set both or neither")
        if self.spot and self.reservation:
            raise ValueError("spot and reservation exclude each other: what is reserved is not taken back")
        if problem := misfit(self.machine):
            raise ValueError(problem)
        return self

    @property
    def machine(self) -> Machine:
        """The same without how it is had."""
        return Machine(self.machine_type, self.accelerator_type, self.accelerator_count)

    def __str__(self) -> str:
        reserved = f", reservation {self.reservation.rpartition('/')[2]}" if self.reservation else ""
        return f"{self.machine}{', spot' if self.spot else ''}{reserved}"


MachineLists = dict[str, Annotated[tuple[MachineChoice, ...], Field(min_length=1)]]
"""Machines by step, as a configuration has them."""
Lists = Mapping[str, Sequence[MachineChoice]]


def with_machines(document: Mapping[str, Any], lists: Lists, chosen: Mapping[str, int] | None = None) -> dict[str, Any]:
    """The document with the settings that put each step on its machine: the first of its list, or the `chosen` one.

    A step on the step operator has its whole list, which the operator works through itself.
    """
    steps = dict(document.get("steps") or {})
    for step, machines in lists.items():
        options = steps.get(step) or {}
        machine = machines[(chosen or {}).get(step, 0)]
        if options.get("step_operator"):
            every = [alternative.model_dump(exclude_defaults=True) for alternative in machines]
            steps[step] = with_settings(options, "step_operator", {**_of(machine), "machines": every})
        else:
            steps[step] = with_settings(options, "orchestrator", {"custom_job_parameters": _job(machine)})
    return {**document, "steps": steps} if lists else dict(document)


def runs_on_operator(document: Mapping[str, Any], step: str) -> bool:
    """Whether a step operator starts the step, on a custom job of its own."""
    return bool(((document.get("steps") or {}).get(step) or {}).get("step_operator"))


def next_machines(lists: Lists, chosen: Mapping[str, int], lacking: Collection[str]) -> dict[str, int] | None:
    """The choice in which each step that lacks its machine has the next one; None where a step has none left."""
    following = {step: chosen.get(step, 0) + 1 for step in lacking}
    if not following or any(number >= len(lists.get(step, ())) for step, number in following.items()):
        return None
    return {**chosen, **following}


def check_machines(document: Mapping[str, Any], lists: Lists, steps: Sequence[str]) -> Iterator[Mistake]:
    """Lists of steps that are none, machines that are said twice, and accelerators that do not go with the machine."""
    for step in lists:
        if step not in steps:
            yield unknown(("extra", "machines", step), "step", steps)
    written = document.get("steps")
    for step, options in written.items() if isinstance(written, dict) else ():
        kind = "step_operator" if runs_on_operator(document, step) else "orchestrator"
        given = settings_of({}, options or {}, kind)
        if step in lists and (said := [field for field in SAID_TWICE if field in given]):
            what = f"extra.machines.{step} names the machine; remove {', '.join(said)} here"
            yield Mistake(("steps", step, "settings"), what)
        elif isinstance(machine := machine_of(document, step), Machine) and (problem := misfit(machine)):
            yield Mistake(("steps", step, "settings"), problem)


def _of(machine: MachineChoice) -> dict[str, Any]:
    fields: dict[str, Any] = {"machine_type": machine.machine_type}
    if machine.accelerator_type:
        fields |= {"accelerator_type": machine.accelerator_type, "accelerator_count": machine.accelerator_count}
    return fields


def _job(machine: MachineChoice) -> dict[str, Any]:
    """ZenML's parameters of a task that runs as a custom job."""
    more: dict[str, Any] = {"strategy": SPOT} if machine.spot else {}
    if machine.reservation:
        more |= {
            "reservation_affinity_type": SPECIFIC_RESERVATION,
            "reservation_affinity_key": RESERVATION_KEY,
            "reservation_affinity_values": [machine.reservation],
        }
    return {**_of(machine), **({"additional_training_job_args": more} if more else {})}
