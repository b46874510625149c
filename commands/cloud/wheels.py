"""Whether the images' torch has code for the accelerators that a run and its endpoint ask for."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from commands.cloud.needs import Needs
from commands.costs import fleet_of
from commands.machine import Finding
from commands.project import Project
from evergreen.core.cloud import Machine
from evergreen.core.errors import InputError
from evergreen.tasks.accelerators import CUDA_INDEX
from orchestration.costs import attached_to, load_prices
from orchestration.wheels import PIPELINE_INDEX, SERVING_INDEX, refusal

BUILD = 'eval "$(python run.py images --tag $EVERGREEN_TAG)"'


def refuse_wheels(project: Project, environment: Mapping[str, str] = os.environ) -> None:
    """Returns when torch runs on the accelerators that are asked for, as far as one knows where images took it from.

    Raises:
        InputError: it does not; machines would be paid for that refuse the first computation.
    """
    tasks = project.tasks() if project.orchestrator == "vertex" else []
    refusals = _refusals([machine for task in tasks for machine in task.machines], _pipeline_index(environment))
    fleet, index = fleet_of(project), environment.get(SERVING_INDEX)
    if fleet and index:
        refusals += _refusals([fleet.machine], index)
    if refusals:
        raise InputError(f"an accelerator cannot be used: {'; '.join(refusals)}")


def check_wheels(needs: Needs, environment: Mapping[str, str] = os.environ) -> Iterator[Finding]:
    """A finding for each kind of accelerator, of the pipeline's machines and of the endpoint's."""
    serving = (needs.serving[0],) if needs.serving else ()
    training = (*needs.training, *needs.training_instead)
    yield from _findings("pipeline", training, _pipeline_index(environment), PIPELINE_INDEX)
    if environment.get(SERVING_INDEX):
        yield from _findings("serving", serving, environment[SERVING_INDEX], SERVING_INDEX)
        return
    for kind in _kinds(serving):
        message = f"{kind}: without {SERVING_INDEX} the serving image's torch runs on CPUs alone"
        yield Finding("accelerator", False, message, f"export {SERVING_INDEX}={CUDA_INDEX}\n{BUILD}")


def _findings(image: str, machines: tuple[Machine, ...], index: str, variable: str) -> Iterator[Finding]:
    for kind in _kinds(machines):
        reason = refusal(kind, index)
        fix = f"export {variable}={CUDA_INDEX}\n{BUILD}"
        yield Finding("accelerator", reason is None, reason or f"{kind}: the {image} image's torch from {index}", fix)


def _refusals(machines: list[Machine], index: str) -> list[str]:
    return [reason for kind in _kinds(tuple(machines)) if (reason := refusal(kind, index))]


def _kinds(machines: tuple[Machine, ...]) -> list[str]:
    shapes = load_prices().machines
    return list(
        dict.fromkeys(kind for machine in machines for kind in attached_to(machine, shapes.get(machine.machine_type)))
    )


def _pipeline_index(environment: Mapping[str, str]) -> str:
    return environment.get(PIPELINE_INDEX) or CUDA_INDEX
