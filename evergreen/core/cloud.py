"""What hosts and preparations take of Google Cloud, so that doctor, plan and costs know none of them by name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Machine:
    """A machine with what is attached to it."""

    machine_type: str
    accelerator_type: str | None = None
    accelerator_count: int = 0

    def __str__(self) -> str:
        attached = f" + {self.accelerator_count} {self.accelerator_type}" if self.accelerator_type else ""
        return f"{self.machine_type}{attached}"


@dataclass(frozen=True)
class Fleet:
    """The machines of an endpoint's live version; `min_replicas` more hold the previous one, for rollback.

    While a rollout is on its way, `min_replicas` more hold the newcomer, `max_replicas` at most: as many as its share
    takes of those that serve. One replica behind an endpoint of its own is asked before it gets traffic.
    """

    region: str
    machine: Machine
    min_replicas: int
    max_replicas: int


@dataclass(frozen=True)
class LogNeeds:
    """How what containers print of requests gets into BigQuery: the log sink, its filter, and the `project.dataset`."""

    sink: str
    filter: str
    dataset: str
    location: str


@dataclass(frozen=True)
class HostNeeds:
    """Names as the configuration gives them.

    `models` is the folder of trained models, `image` what the machines run as `account` (None: the project's own), and
    `onnx_image` what they run instead for models that answer by graphs (None: the same). `dedicated` tells whether the
    endpoint has a public address of its own, `logs_requests` whether whole requests are kept, `request_log` where what
    containers print of them goes (None: they print nothing).
    """

    project: str
    models: str
    image: str
    account: str | None
    fleet: Fleet
    dedicated: bool
    logs_requests: bool
    request_log: LogNeeds | None = None
    onnx_image: str | None = None


@dataclass(frozen=True)
class PreparationNeeds:
    """The workers of a preparation on Dataflow: their image, the `machines` in words, the subnetwork given."""

    image: str
    subnetwork: str | None
    machines: str
