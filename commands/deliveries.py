"""The run that brings an approved version live: the configuration of training, cut down to what it needs of that."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from commands.project import Configured, Project
from commands.started import stopped_with_this_command
from commands.watching import run_pipeline

if TYPE_CHECKING:
    from zenml.pipelines.pipeline_definition import Pipeline

    from evergreen.adapters.kinds import AnyHost
    from evergreen.core.approval import Answer
    from evergreen.core.deployment import Deployment
    from orchestration.approval import Approved
    from orchestration.configuration import Configuration

PARAMETERS = ("model_name", "host", "rollout", "publish", "alerts")
"""Those of training that a delivery has too."""
OF_TRAINING = ("run_name", "schedule", "enable_cache")
"""Keys of a configuration that say how training runs, not where."""


@dataclass(frozen=True)
class DeliveryProject(Configured):
    """What delivers one version."""

    configuration: Configuration
    model_name: str
    host: AnyHost
    publishes: bool
    scheduled: bool = False

    @property
    def pipeline(self) -> Pipeline:
        """Delivery."""
        from pipelines.delivery import delivery

        return delivery

    @property
    def steps(self) -> list[str]:
        """The steps of a run, in order."""
        return ["deploy", "publish"] if self.publishes else ["deploy"]


def deliver(project: Project, name: str, version: str, answer: Answer, *, detach: bool) -> Deployment | None:
    """Records the answer and runs the delivery under this name, told on the terminal; None: nothing waits for it, or
    there was nothing to deliver.

    No other run of the model goes on here meanwhile.
    """
    from commands.stop import again
    from evergreen.pages.terminal import delivery_summary
    from orchestration.approval import approve
    from orchestration.endpoints import state_directory
    from orchestration.locks import run_lock
    from orchestration.requests import keep_request
    from orchestration.runs import delivered_by
    from orchestration.specifications import removing_specifications

    lock = run_lock(state_directory(), project.model_name, name, again(project, None))
    with stopped_with_this_command(project, name, detach=detach), lock, removing_specifications():
        approved = approve(project.model_name, project.host, version, answer)
        if approved is None:  # somebody else was quicker
            print(f"version {version} is the champion already")
            return None
        print(f"version {version} was {approved.answer.words}", flush=True)
        run = run_pipeline(delivery_project(project, approved), name, use_cache=False)
    if run is None:
        print(f"nothing waits for the delivery; see: python run.py status --config {project.configuration.path}")
        return None
    deployment, publication, alerts = delivered_by(run.id)
    print(delivery_summary(deployment, publication, request_file=keep_request(project.model_name, deployment)))
    for words in alerts:
        print(f"alert       {words}")
    return deployment


def delivery_project(project: Project, approved: Approved) -> DeliveryProject:
    """The delivery of a version, as the project's configuration has it: same host, rollout, machines and secrets."""
    given, publishes = project.configuration.document, project.publish is not None
    parameters = {key: value for key, value in given["parameters"].items() if key in PARAMETERS}
    parameters |= {"model_name": project.model_name, "decision": approved.decision, "identity": approved.identity}
    delivery = DeliveryProject(project.configuration, project.model_name, project.host, publishes)
    steps = {step: options for step, options in (given.get("steps") or {}).items() if step in delivery.steps}
    document = {key: value for key, value in given.items() if key not in OF_TRAINING}
    machines = {step: list_ for step, list_ in project.configuration.machines.items() if step in delivery.steps}
    cut = replace(
        project.configuration, document={**document, "parameters": parameters, "steps": steps}, machines=machines
    )
    return replace(delivery, configuration=cut)
