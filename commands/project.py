"""What most commands start from: the checked configuration of the training pipeline."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from evergreen.adapters import AnySource
from evergreen.adapters.hosts import AnyHost
from evergreen.adapters.publishers import AnyPublisher
from evergreen.core.window import Window
from evergreen.tasks import AnyTask
from evergreen.tasks.accelerators import GIVEN
from orchestration.configuration import Configuration, load


@dataclass(frozen=True)
class Project:
    """A configuration with the parameters that commands ask for, typed."""

    configuration: Configuration
    model_name: str
    source: AnySource
    task: AnyTask
    host: AnyHost
    window: Window | None
    publish: AnyPublisher | None = None

    @cached_property
    def active_stack(self) -> str:
        """The name of ZenML's active stack."""
        from zenml.client import Client

        return Client().active_stack_model.name

    @property
    def steps(self) -> list[str]:
        """The steps that a run of this configuration has, in order; `publish` and `review` only where asked for."""
        from orchestration.configuration import steps_of
        from pipelines.training import training

        asked_for = {
            "review": self.publish is not None and self.publish.when == "candidate",
            "publish": self.publish is not None,
        }
        return [name for name in steps_of(training) if asked_for.get(name, True)]

    @cached_property
    def components(self) -> dict[str, dict[str, Any]]:
        """The configuration of each component of the active stack, by component type."""
        from zenml.client import Client

        stack = Client().active_stack_model
        return {kind.value: dict(ones[0].configuration) for kind, ones in stack.components.items() if ones}

    @property
    def accelerators(self) -> dict[str, str]:
        """What accelerators each step asks for, such as `1 NVIDIA_TESLA_T4`; EVERGREEN_ACCELERATORS takes its place.

        Empty, it says that the machines have none whatever is asked for: those of a stand-in for Google Cloud.
        """
        from orchestration.machines import accelerators_of

        found = accelerators_of(self.configuration.document, self.steps, self.components)
        if (instead := os.environ.get(GIVEN)) is None:
            return found
        return dict.fromkeys(found, instead) if instead else {}

    def check_host(self) -> None:
        """Returns when the model's endpoint is live or could be opened: better told now than after the training.

        Raises:
            InputError: what is in the way.
        """
        from orchestration.deployment import state_directory

        self.host.check(self.model_name, state_directory())

    def check_stack(self) -> None:
        """Returns when the active stack is one that the configuration is meant for.

        Raises:
            InputError: another stack is active, or ZenML is connected to a server that a local stack is not meant for.
        """
        from zenml.client import Client
        from zenml.enums import StackComponentType

        from stacks.server import refuse_remote

        client = Client()
        self.configuration.check_stack(self.active_stack, [stack.name for stack in client.list_stacks(size=1000).items])
        artifact_store = client.active_stack_model.components[StackComponentType.ARTIFACT_STORE][0]
        if artifact_store.flavor_name == "local":
            refuse_remote(self.active_stack)


def open_project(config: str, model_name: str | None = None) -> Project:
    """The project of a configuration's name or path; a `model_name` takes the place of the configuration's.

    Raises:
        InputError: it does not exist, or holds mistakes; all are told.
    """
    from stacks.server import refuse_dead_server

    refuse_dead_server()  # importing a pipeline makes ZenML connect, and it would try for minutes
    from pipelines.training import training

    configuration = load(config, training, model_name)
    given = configuration.parameters
    return Project(configuration, given.model_name, given.source, given.task, given.host, given.window, given.publish)
