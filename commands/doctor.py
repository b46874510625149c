"""What is missing to run a configuration here, each with the line that fixes it. A note stops no run.
Changes nothing.

fine  python         3.11.9 at .venv/bin/python
note  build region   new projects may not build in europe-west4
                     export EVERGREEN_BUILD_REGION=europe-west1
FIX   stack          'default' is active, configs/local.yaml is meant for 'local'
                     python -m stacks.apply local
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from commands.alerts import check_alerts
from commands.machine import Finding, check_beam, check_disk, check_memory, check_packages, check_python
from commands.readiness import task_needs
from commands.variables import listed_secrets, variable_state
from evergreen.core.errors import EvergreenError, InputError
from evergreen.core.kinds import Settings
from evergreen.core.members import check_behaviours, publisher_of, source_of
from orchestration.mistakes import ConfigurationError, shown

if TYPE_CHECKING:
    from commands.project import BatchProject, Configured, MonitoringProject, Project


def main(args: argparse.Namespace) -> int:
    """Exit code 0 when nothing is missing, else 1."""
    missing = 0
    for finding in examine(args.config, send_test_alert=args.send_test_alert):
        missing += finding.missing
        print(f"{finding.word:<6}{finding.name:<14} {_indented(finding.message)}")
        if finding.fix and not finding.fine:
            print(f"{'':<21}{_indented(finding.fix)}")
    print(f"{missing} to fix" if missing else f"ready: python run.py --config {args.config}")
    return 1 if missing else 0


def examine(config: str, *, send_test_alert: bool = False) -> Iterator[Finding]:
    """Every finding, cheap ones first; one that fails does not hide the others."""
    yield check_python()
    yield check_packages()
    yield check_memory()
    zenml = list(_guarded("zenml", _check_zenml))
    yield from zenml
    if not zenml[0].fine:
        yield Finding("configuration", False, "not checked: loading pipelines asks ZenML's server")
        return
    others: dict[str, Callable[[str], Iterator[Finding]]] = {
        "batch_prediction": _of_batch,
        "monitoring": partial(_of_monitoring, send_test_alert=send_test_alert),
    }
    if other := others.get(_pipeline_of(config)):
        yield from other(config)
        return
    project: list[Project] = []
    yield from _guarded("configuration", lambda: _open(config, project))
    opened = project[0] if project else None
    yield from _guarded("stack", lambda: _check_stack(opened))
    if opened is not None:
        sections = {"source": opened.source, "task": opened.task, "host": opened.host, "publish": opened.publish}
        yield from _guarded("secrets", lambda: _check_variables(opened, **sections))
        yield from _guarded("task", lambda: _check_task(opened))
        yield from _guarded("champion", lambda: _check_champion(opened))
        yield from _guarded("source", lambda: _check_source(opened))
        yield from _guarded("publish", lambda: _check_publish(opened))
        yield from _guarded("alerts", lambda: check_alerts(opened, send=send_test_alert))
        yield from _guarded("endpoint", lambda: _check_endpoint(opened))
        yield from _guarded("cloud", lambda: _check_cloud(opened))


def _pipeline_of(config: str) -> str:
    """The pipeline that it configures; a file that cannot be read is told with the configuration."""
    from orchestration.configuration import pipeline_of

    try:
        return pipeline_of(config)
    except EvergreenError:
        return "training"


def _of_monitoring(config: str, *, send_test_alert: bool) -> Iterator[Finding]:
    """What monitoring needs: the stack, a champion, its reference and a log of its requests."""
    from commands.project import open_monitoring

    opened: list[MonitoringProject] = []

    def configuration() -> Iterator[Finding]:
        project = open_monitoring(config)
        opened.append(project)
        yield Finding("configuration", True, f"{shown(project.configuration.path)} for model '{project.model_name}'")

    yield from _guarded("configuration", configuration)
    for project in opened:
        yield from _guarded("stack", partial(_check_stack, project))
        yield from _guarded("secrets", partial(_check_variables, project, labels=project.labels, host=project.host))
        yield from _guarded("requests", partial(_check_monitoring, project))
        yield from _guarded("alerts", partial(check_alerts, project, send=send_test_alert))


def _check_monitoring(project: MonitoringProject) -> Iterator[Finding]:
    from commands.monitor import check_monitoring

    champion = check_monitoring(project)
    yield Finding("champion", True, f"version {champion.version} of model '{project.model_name}' is watched")
    yield Finding("requests", True, f"are logged by host {project.host.kind}")
    compared, missing = "is kept beside the version", "an earlier release trained the version, and kept none"
    fix = "run the model's own configuration once: its evaluation leaves one"
    yield Finding("reference", bool(champion.reference), compared if champion.reference else missing, fix, note=True)


def _of_batch(config: str) -> Iterator[Finding]:
    """What batch prediction needs: the stack, a champion, rows and a place for what is made of them."""
    from commands.project import open_batch

    opened: list[BatchProject] = []

    def configuration() -> Iterator[Finding]:
        project = open_batch(config)
        opened.append(project)
        yield Finding("configuration", True, f"{shown(project.configuration.path)} for model '{project.model_name}'")
        if project.runner.needs() is not None:
            yield check_beam()

    yield from _guarded("configuration", configuration)
    for project in opened:
        yield from _guarded("stack", partial(_check_stack, project))
        yield from _guarded("secrets", partial(_check_variables, project, source=project.source, host=project.host))
        yield from _guarded("rows", partial(_check_batch, project))


def _check_batch(project: BatchProject) -> Iterator[Finding]:
    from commands.batch_runs import check_batch

    champion = check_batch(project)
    if champion.requires is not None:
        yield required_package(champion.requires, f"version {champion.version}")
    yield Finding("champion", True, f"version {champion.version} of model '{project.model_name}' predicts")
    yield Finding("rows", True, f"{' '.join(project.source.read_from.values())} can be read")
    yield Finding("output", True, f"{project.output.kind} can be written")
    yield Finding("runner", True, project.runner.machines)


def _guarded(name: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """The check's findings; what it raises is one too."""
    try:
        yield from check()
    except EvergreenError as error:
        yield Finding(name, False, *_message_and_fix(error))
    except Exception as error:
        yield Finding(name, False, f"{type(error).__name__}: {error}", "see the packages above, or make install")


def _open(config: str, opened: list[Project]) -> Iterator[Finding]:
    from commands.project import open_project

    project = open_project(config)
    opened.append(project)
    yield Finding("configuration", True, f"{shown(project.configuration.path)} for model '{project.model_name}'")
    if project.prepare is not None:
        yield check_beam()


def _check_zenml() -> Iterator[Finding]:
    from zenml.config.global_config import GlobalConfiguration

    from stacks.server import refuse_dead_server, remote_store

    directory = Path(GlobalConfiguration().config_directory)
    refuse_dead_server()
    url = remote_store()
    yield Finding("zenml", True, f"connected to {url}" if url else f"on this machine, in {directory}")
    yield check_disk(directory)


def _check_stack(project: Configured | None) -> Iterator[Finding]:
    from zenml.client import Client

    from stacks.apply import outdated

    if project is not None:
        project.check_stack()
    name = Client().active_stack_model.name
    if differing := outdated(name):
        message = f"'{name}' is active, registered with other names than this shell has: {'; '.join(differing)}"
        yield Finding("stack", False, message, f"python -m stacks.apply {name}")
    else:
        yield Finding("stack", True, f"'{name}' is active")


def _check_variables(project: Configured, **sections: Settings | None) -> Iterator[Finding]:
    """The environment variables that sections of the configuration name; on a remote stack ZenML's secrets fill them
    instead. Those of alerts are told with the channels.
    """
    for section, settings in sections.items():
        for field, name in settings.variables.items() if settings else ():
            fine, state = variable_state(name, project)
            yield Finding("secrets", fine, f"parameters.{section}.{field}: {name} {state}", f"export {name}=…")


def _check_task(project: Project) -> Iterator[Finding]:
    from evergreen.tasks.kinds import TASKS

    check_behaviours(project.task)
    package = TASKS.package(project.task.kind)
    kind = f"{project.task.kind} of {package}" if package else project.task.kind
    yield Finding("task", True, f"{kind}: {task_needs(project)}")


def _check_champion(project: Project) -> Iterator[Finding]:
    """The package that the champion's kind of task is from: without it, it is neither served nor compared with."""
    from evergreen.core.versions import Alias
    from orchestration.record import ZenmlRecord

    champion = ZenmlRecord(project.model_name).read().named(Alias.CHAMPION)
    if champion is not None and champion.requires is not None:
        yield required_package(champion.requires, f"version {champion.version}")


def required_package(package: str, what: str) -> Finding:
    """Whether the package that `what` needs is installed; another version of it is a note."""
    from evergreen.tasks.model_directory import check_requirement

    fix = f"pip install '{package}'"
    try:
        other = check_requirement(package, what)
    except InputError as error:
        return Finding("champion", False, str(error).removesuffix(f"; {fix}"), fix)
    return Finding("champion", other is None, other or f"{what} needs {package}, which is installed", fix, note=True)


def _check_source(project: Project) -> Iterator[Finding]:
    if project.prepare is not None:
        yield Finding("raw data", True, source_of(project.prepare.origin).identity(None).description)
        try:
            source_of(project.source).identity(None)
        except InputError:
            yield Finding("source", True, "nothing was prepared yet: the first step of a run does")
            return
    identity = source_of(project.source).identity(project.window.resolve() if project.window else None)
    rows = "" if identity.rows is None else f", {identity.rows:,} rows"
    yield Finding("source", True, f"{identity.description}{rows}")


def _check_publish(project: Project) -> Iterator[Finding]:
    """The token and its right to write, where versions are published."""
    if project.publish is None:
        return
    publisher = publisher_of(project.publish)
    absent = [name for name in project.publish.variables.values() if not os.environ.get(name)]
    if absent and listed_secrets(project):
        states = {name: variable_state(name, project) for name in absent}
        reasons = ", ".join(f"{name} {state}" for name, (_, state) in states.items())
        fine = all(held for held, _ in states.values())
        message = f"{project.publish.kind}: not asked, {reasons}; export it here to have it tried"
        yield Finding("publish", fine, message, f"export {absent[0]}=…")
    else:
        yield Finding("publish", True, f"{project.publish.kind}: {publisher.check()}")


def _check_endpoint(project: Project) -> Iterator[Finding]:
    yield Finding("endpoint", True, project.check_host())


def _check_cloud(project: Project) -> Iterator[Finding]:
    """Google Cloud, when the active stack or the host is there."""
    from commands.cloud.doctor import examine_cloud, needs_of_active_stack

    needs = needs_of_active_stack(project)
    if needs is not None:
        yield from examine_cloud(needs)


def _message_and_fix(error: EvergreenError) -> tuple[str, str]:
    """An error whose last line is a line to type, taken apart; a configuration's lines are all message."""
    text = str(error)
    if isinstance(error, ConfigurationError) or "\n  " not in text:
        return text, ""
    message, _, fix = text.rpartition("\n  ")
    return message.removesuffix("; run"), fix


def _indented(text: str) -> str:
    return text.replace("\n", "\n" + " " * 21)
