"""What most commands start from: the checked configuration of the training pipeline."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from evergreen.adapters import AnySource
from evergreen.adapters.hosts import AnyHost
from evergreen.core.window import Window
from orchestration.configuration import Configuration, load


@dataclass(frozen=True)
class Project:
    """A configuration with the parameters that commands ask for, typed."""

    configuration: Configuration
    model_name: str
    source: AnySource
    host: AnyHost
    window: Window | None

    @cached_property
    def active_stack(self) -> str:
        """The name of ZenML's active stack."""
        from zenml.client import Client

        return Client().active_stack_model.name

    def check_stack(self) -> None:
        """Returns when the active stack is one that the configuration is meant for.

        Raises:
            InputError: another stack is active, or ZenML is connected to a server that a local stack is not meant for.
        """
        from zenml.client import Client

        from stacks.declaration import declaration
        from stacks.server import refuse_remote

        for name in self.configuration.stacks:
            if declaration(name).is_local:
                refuse_remote(name)
        registered = [stack.name for stack in Client().list_stacks(size=1000).items]
        self.configuration.check_stack(self.active_stack, registered)


def open_project(config: str) -> Project:
    """The project of a configuration's name or path.

    Raises:
        InputError: it does not exist, or holds mistakes; all are told.
    """
    from stacks.server import refuse_dead_server

    refuse_dead_server()  # importing a pipeline makes ZenML connect, and it would try for minutes
    from pipelines.training import training

    configuration = load(config, training)
    given = configuration.parameters
    return Project(configuration, given.model_name, given.source, given.host, given.window)
