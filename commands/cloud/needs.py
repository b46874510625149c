"""What a configuration and the active stack need of Google Cloud, read from both; nothing is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from commands.project import Project
from evergreen.core.cloud import Fleet, HostNeeds, LogNeeds, Machine, PreparationNeeds
from evergreen.core.members import host_of, source_of
from orchestration.costs import PROBE_REPLICAS
from orchestration.machines import tasks_of
from stacks.apply import SECRET

VERSIONS_AT_ONCE = 3
Components = Mapping[str, Mapping[str, Any]]
"""Each stack component's configuration, by component type."""


@dataclass(frozen=True)
class Needs:
    """Names as the configuration gives them; empty or None where it needs none.

    `training` are the machines of custom jobs and tasks, `training_instead` those that are tried where one of them is
    not to be had, `serving` the endpoint's machine with how many of them Vertex AI counts at most, `serving_image` what
    they run.
    `bigquery` tells whether rows come from there, `dataset` (`project:dataset`) whence, unless a query says it, and
    `dataset_location` where it lies. `secrets` are ZenML secrets with the keys that are read of them, `models` is the
    folder of trained models. `dataflow` is how rows are prepared there, `dedicated` whether the endpoint has a public
    address of its own, `request_log` where what containers note of requests goes.
    """

    project: str
    region: str
    buckets: tuple[str, ...]
    registry: str | None
    images: tuple[str, ...]
    pipeline_account: str | None
    serving_account: str | None
    serving_image: str | None
    training: tuple[Machine, ...]
    serving: tuple[Machine, int] | None
    bigquery: bool
    dataset: str | None
    mlflow: str | None
    secrets: Mapping[str, frozenset[str]]
    training_instead: tuple[Machine, ...] = ()
    models: str = ""
    dataset_location: str = "US"
    dataflow: PreparationNeeds | None = None
    dedicated: bool = False
    request_log: LogNeeds | None = None


def needs_of(project: Project, components: Components, steps: tuple[str, ...]) -> Needs | None:
    """The needs; None when neither the stack nor the host is on Google Cloud."""
    host = host_of(project.host).needs()
    orchestrator = components.get("orchestrator", {})
    name = orchestrator.get("project") or (host.project if host else None)
    region = orchestrator.get("location") or (host.fleet.region if host else None)
    if not name or not region:
        return None
    document = project.configuration.document
    prepare = project.prepare
    dataflow = prepare.runner.needs() if prepare else None
    on_vertex = "location" in orchestrator
    read = source_of(project.source).bigquery()
    tasks = tasks_of(document, steps, {}, components, project.configuration.tried) if on_vertex else []
    return Needs(
        project=str(name),
        region=str(region),
        buckets=tuple(dict.fromkeys(_buckets(components, host))),
        registry=components.get("container_registry", {}).get("uri"),
        images=tuple(dict.fromkeys(_images(document, host, dataflow))),
        pipeline_account=orchestrator.get("workload_service_account"),
        serving_account=host.account if host else None,
        serving_image=host.image if host else None,
        training=tuple(dict.fromkeys(task.machine for task in tasks if isinstance(task.machine, Machine))),
        serving=_counted(host.fleet) if host else None,
        bigquery=read is not None,
        dataset=read.dataset if read else None,
        mlflow=components.get("experiment_tracker", {}).get("tracking_uri"),
        secrets=_secrets(components, document),
        training_instead=tuple(dict.fromkeys(machine for task in tasks for machine in task.instead)),
        models=host.models if host else "",
        dataset_location=read.location if read else "US",
        dataflow=dataflow,
        dedicated=bool(host and host.dedicated),
        request_log=host.request_log if host else None,
    )


def _buckets(components: Components, host: HostNeeds | None) -> Iterator[str]:
    addresses = [
        components.get("artifact_store", {}).get("path"),
        components.get("orchestrator", {}).get("pipeline_root"),
        host.models if host else None,
    ]
    for address in addresses:
        if address and str(address).startswith("gs://"):
            yield str(address).removeprefix("gs://").partition("/")[0]


def _images(document: Mapping[str, Any], host: HostNeeds | None, dataflow: PreparationNeeds | None) -> Iterator[str]:
    parent = ((document.get("settings") or {}).get("docker") or {}).get("parent_image")
    if parent:
        yield str(parent)
    if host:
        yield from filter(None, (host.image, host.onnx_image))
    if dataflow:
        yield dataflow.image


def _counted(fleet: Fleet) -> tuple[Machine, int]:
    """The machine, and how many of it count against the quota while a rollout is on its way: 3 × max_replicas + 1.

    Three versions are deployed then: the champion, the newcomer, and the previous champion that stands by for a
    rollback. Each counts with its most replicas, however few of them run ("charged for max_replica_count × cores",
    DedicatedResources of google.cloud.aiplatform.v1). The probe endpoint, on which the newcomer is asked, has one more.
    """
    return fleet.machine, VERSIONS_AT_ONCE * fleet.max_replicas + PROBE_REPLICAS


def _secrets(components: Components, document: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    keys_of: dict[str, set[str]] = {str(name): set() for name in document.get("secrets") or ()}
    for configuration in components.values():
        for value in configuration.values():
            if isinstance(value, str) and (match := SECRET.fullmatch(value)):
                keys_of.setdefault(match[1], set()).add(match[2])
    return {name: frozenset(keys) for name, keys in keys_of.items()}
