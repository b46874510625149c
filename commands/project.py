"""What most commands start from: the checked configuration of a pipeline."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from evergreen.core.alerts import Alerts
from evergreen.core.errors import InputError
from evergreen.core.members import host_of
from evergreen.core.refresh import Backfill, Refresh
from evergreen.tasks.accelerators import GIVEN
from orchestration.configuration import Configuration, find, load, pipeline_of
from orchestration.mistakes import shown
from orchestration.settings import declared_flavors

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from zenml.pipelines.pipeline_definition import Pipeline

    from evergreen.adapters.kinds import AnyHost, AnyPublisher, AnySource
    from evergreen.batch.settings import AnyBatchRunner, AnyOutput
    from evergreen.core.artifacts import ResolvedWindow
    from evergreen.core.idle import Idle
    from evergreen.core.monitor import DriftRules
    from evergreen.core.quality import Quality
    from evergreen.core.window import Window
    from evergreen.preparation import Preparation
    from evergreen.tasks import AnyTask
    from orchestration.costs import Task


class Configured:
    """A configuration, what runs it on the active stack, and what that takes; `scheduled`: something like cron has
    started the command.
    """

    configuration: Configuration
    model_name: str
    host: AnyHost
    scheduled: bool

    @property
    def pipeline(self) -> Pipeline:
        """What is run."""
        raise NotImplementedError

    @property
    def steps(self) -> list[str]:
        """The steps of a run, in order."""
        from orchestration.configuration import steps_of

        return list(steps_of(self.pipeline))

    @cached_property
    def active_stack(self) -> str:
        """The name of ZenML's active stack."""
        from zenml.client import Client

        return Client().active_stack_model.name

    @property
    def is_on_vertex(self) -> bool:
        """Whether the active stack runs its steps on Vertex AI Pipelines."""
        from zenml.client import Client
        from zenml.enums import StackComponentType

        return Client().active_stack_model.components[StackComponentType.ORCHESTRATOR][0].flavor_name == "vertex"

    @cached_property
    def orchestrator(self) -> str:
        """The flavor of what runs the steps: of the active stack, or of those that the configuration is meant for where
        it is none of them, as in `cases`.
        """
        from zenml.client import Client
        from zenml.enums import StackComponentType

        active = Client().active_stack_model.components[StackComponentType.ORCHESTRATOR][0].flavor_name
        meant = declared_flavors(self.configuration.stacks).get("orchestrator", {active})
        return active if active in meant else min(meant)

    @cached_property
    def components(self) -> dict[str, dict[str, Any]]:
        """The configuration of each component of the active stack, by component type."""
        from zenml.client import Client

        stack = Client().active_stack_model
        return {kind.value: dict(ones[0].configuration) for kind, ones in stack.components.items() if ones}

    def tasks(self, measured: Mapping[str, float] | None = None) -> list[Task]:
        """The tasks of a run, with each machine that they may run on; `measured` are seconds by step, as known."""
        from orchestration.machines import tasks_of

        given = self.configuration
        return tasks_of(given.document, self.steps, measured or {}, self.components, given.tried)

    @property
    def accelerators(self) -> dict[str, str]:
        """`accelerators_in` the configuration as it is."""
        return self.accelerators_in(self.configuration)

    def accelerators_in(self, configuration: Configuration) -> dict[str, str]:
        """What accelerators each step asks for, such as `1 NVIDIA_TESLA_T4`; EVERGREEN_ACCELERATORS takes its place.

        Empty, it says that the machines have none whatever is asked for: those of a stand-in for Google Cloud.
        """
        from orchestration.machines import accelerators_of

        configured = accelerators_of(configuration.document, self.steps, self.components)
        if (instead := os.environ.get(GIVEN)) is None:
            return configured
        return dict.fromkeys(configured, instead) if instead else {}

    def check_host(self) -> str:
        """Where the model's endpoint is live or could be opened: better told now than after the training.

        Raises:
            InputError: what is in the way.
        """
        from orchestration.endpoints import state_directory

        return host_of(self.host).check(self.model_name, state_directory())

    def check_stack(self) -> None:
        """Returns when the active stack is one that the configuration is meant for.

        Raises:
            InputError: another stack is active, or ZenML is connected to a server that a local stack is not meant for.
        """
        check_stack(self.configuration)


class Windowed(Configured):
    """A configuration of a pipeline that reads the rows of a window, and may run by schedule."""

    window: Window | None
    backfill: Backfill | None

    @property
    def schedule_name(self) -> str:
        """What its schedule is named for: a pipeline other than training has one beside the model's own."""
        from orchestration.runs import PIPELINE
        from orchestration.schedules import schedule_beside

        name = self.pipeline.name
        return self.model_name if name == PIPELINE else schedule_beside(self.model_name, name)

    @property
    def without_window(self) -> str:
        """Which rows a run reads where no window moves with it, in words."""
        return "all rows"

    def reads_at(self, moment: datetime) -> str:
        """Which rows a run of that moment reads, in words."""
        if self.window is None:
            return self.without_window
        window = self.window.resolve(moment)
        return f"rows of {window.start:%Y-%m-%d %H:%M} to {window.end:%Y-%m-%d %H:%M}"


@dataclass(frozen=True)
class Project(Windowed):
    """A configuration of the training pipeline, with the parameters that commands ask for, typed."""

    configuration: Configuration
    model_name: str
    source: AnySource
    task: AnyTask
    host: AnyHost
    window: Window | None
    publish: AnyPublisher | None = None
    refresh: Refresh = Refresh()
    backfill: Backfill | None = None
    prepare: Preparation | None = None
    scheduled: bool = False
    alerts: Alerts = Alerts()

    @property
    def pipeline(self) -> Pipeline:
        """Training."""
        from pipelines.training import training

        return training

    @property
    def steps(self) -> list[str]:
        """The steps of a run, in order; `prepare`, `publish` and `review` only where they are asked for."""
        asked_for = {
            "prepare": self.prepare is not None,
            "review": self.publish is not None and self.publish.when == "candidate",
            "publish": self.publish is not None,
        }
        return [name for name in super().steps if asked_for.get(name, True)]

    @property
    def without_window(self) -> str:
        """New rows, where they are read once."""
        return "new rows" if self.refresh.policy(None) == "incremental" else "all rows"


@dataclass(frozen=True)
class BatchProject(Windowed):
    """A configuration of batch prediction: the rows of `source` are predicted into `output`."""

    configuration: Configuration
    model_name: str
    host: AnyHost
    source: AnySource
    output: AnyOutput
    runner: AnyBatchRunner
    keep: tuple[str, ...] | None
    window: Window | None
    backfill: Backfill | None = None
    scheduled: bool = False

    @property
    def rows_window(self) -> ResolvedWindow | None:
        """Which rows a run predicts now; None: all."""
        if self.backfill is not None:
            return self.backfill.window
        return self.window.resolve() if self.window else None

    @property
    def pipeline(self) -> Pipeline:
        """Batch prediction."""
        from pipelines.batch_prediction import batch_prediction

        return batch_prediction


@dataclass(frozen=True)
class MonitoringProject(Windowed):
    """A configuration of monitoring: the champion's requests of a window are compared with what it was evaluated on."""

    configuration: Configuration
    model_name: str
    host: AnyHost
    window: Window
    drift: DriftRules
    labels: AnySource | None
    quality: Quality
    backfill: Backfill | None = None
    scheduled: bool = False
    alerts: Alerts = Alerts()
    idle: Idle | None = None

    @property
    def steps(self) -> list[str]:
        """The steps of a run, in order; `guard` only where it is asked for."""
        return [name for name in super().steps if name != "guard" or self.idle is not None]

    @property
    def rows_window(self) -> ResolvedWindow:
        """Which requests a run looks at now."""
        return self.backfill.window if self.backfill is not None else self.window.resolve()

    @property
    def pipeline(self) -> Pipeline:
        """Monitoring."""
        from pipelines.monitoring import monitoring

        return monitoring


@dataclass(frozen=True)
class ServedModel:
    """What is known of a configuration's endpoint without what its runs need."""

    configuration: Configuration
    model_name: str
    host: AnyHost

    def check_stack(self) -> None:
        """As `Project.check_stack`."""
        check_stack(self.configuration)


def check_stack(configuration: Configuration) -> None:
    """Returns when the active stack is one that the configuration is meant for.

    Raises:
        InputError: another stack is active, or ZenML is connected to a server that a local stack is not meant for.
    """
    from zenml.client import Client
    from zenml.enums import StackComponentType

    from stacks.server import refuse_remote

    client = Client()
    active = client.active_stack_model
    configuration.check_stack(active.name, [stack.name for stack in client.list_stacks(size=1000).items])
    if active.components[StackComponentType.ARTIFACT_STORE][0].flavor_name == "local":
        refuse_remote(active.name)


def open_served(config: str, model_name: str | None = None) -> ServedModel:
    """The model and the host of a configuration; `${NAME}` of its source and task may be missing from the environment.

    Raises:
        InputError: it does not exist, or what is needed holds mistakes.
    """
    path = find(config)  # a misspelt name is told before ZenML, which takes seconds, is imported
    from stacks.server import refuse_dead_server

    refuse_dead_server()
    from orchestration.served import SERVED, load_served

    configuration = load_served(path, SERVED, model_name)
    given = configuration.parameters
    return ServedModel(configuration, given.model_name, given.host)


def open_project(
    config: str,
    model_name: str | None = None,
    backfill: Mapping[str, str] | None = None,
    *,
    scheduled: bool = False,
) -> Project:
    """The project of a training configuration; `model_name` and `backfill` take the place of its own.

    Raises:
        InputError: it does not exist, is of another pipeline, or holds mistakes; all are told.
    """
    path = _found(config)
    if (other := pipeline_of(path)) != "training":
        raise InputError(
            f"{shown(path)} configures the pipeline {other}, and this command reads one of training; give a "
            "configuration without extra.pipeline"
        )
    from pipelines.training import training

    configuration = load(path, training, model_name, backfill)
    given = configuration.parameters
    return Project(
        configuration,
        given.model_name,
        given.source,
        given.task,
        given.host,
        given.window,
        given.publish,
        given.refresh,
        given.backfill,
        given.prepare,
        scheduled,
        given.alerts,
    )


def open_batch(
    config: str,
    model_name: str | None = None,
    backfill: Mapping[str, str] | None = None,
    *,
    scheduled: bool = False,
) -> BatchProject:
    """The project of a configuration of batch prediction. Raises as `open_project` does."""
    path = _found(config)
    from pipelines.batch_prediction import batch_prediction

    configuration = load(path, batch_prediction, model_name, backfill)
    given = configuration.parameters
    return BatchProject(
        configuration,
        given.model_name,
        given.host,
        given.source,
        given.output,
        given.runner,
        given.keep,
        given.window,
        given.backfill,
        scheduled,
    )


def open_monitoring(
    config: str,
    model_name: str | None = None,
    backfill: Mapping[str, str] | None = None,
    *,
    scheduled: bool = False,
) -> MonitoringProject:
    """The project of a configuration of monitoring. Raises as `open_project` does."""
    path = _found(config)
    if (other := pipeline_of(path)) != "monitoring":
        raise InputError(
            f"{shown(path)} configures the pipeline {other}, and this command reads one of monitoring; give a "
            "configuration with extra: {pipeline: monitoring}, such as configs/monitor.yaml"
        )
    from pipelines.monitoring import monitoring

    configuration = load(path, monitoring, model_name, backfill)
    given = configuration.parameters
    return MonitoringProject(
        configuration,
        given.model_name,
        given.host,
        given.window,
        given.drift,
        given.labels,
        given.quality,
        given.backfill,
        scheduled,
        given.alerts,
        given.idle,
    )


def open_any(config: str, model_name: str | None = None) -> Windowed:
    """The project of a configuration, of whichever pipeline. Raises as `open_project` does."""
    openers: Mapping[str, Callable[[str, str | None], Windowed]] = {
        "batch_prediction": open_batch,
        "monitoring": open_monitoring,
    }
    return openers.get(pipeline_of(config), open_project)(config, model_name)


def _found(config: str) -> Path:
    """The configuration's file: a misspelt name is told before ZenML, which takes seconds, is imported."""
    path = find(config)
    from stacks.server import refuse_dead_server

    refuse_dead_server()  # importing a pipeline makes ZenML connect, and it would try for minutes
    return path
