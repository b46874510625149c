"""What runs on an endpoint, by version. A version may run twice for a while, when a dead one is being replaced."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from evergreen.core.base import Frozen


class Deployed(Frozen):
    """One deployed model: Google's `id` for it, our version, its percent of the traffic, and whether it answers.

    `number` is what it was deployed from, as `number_of` tells it: one version may be there with several containers.
    """

    id: str
    version: str
    number: str
    percent: int
    ready: bool


def deployed_on(endpoint: Any) -> list[Deployed]:
    """The deployed models of a Vertex AI endpoint, those with traffic first, then the older ones."""
    split = dict(endpoint.traffic_split)
    found = [
        Deployed(
            id=one.id,
            version=one.display_name,
            number=number_of(one.model, one.model_version_id),
            percent=split.get(one.id, 0),
            ready=_is_ready(one),
        )
        for one in sorted(endpoint.deployed_models, key=_created)
    ]
    return sorted(found, key=lambda one: -one.percent)


def number_of(model: str, version_id: str) -> str:
    """`ID@NUMBER` of a version in the Model Registry; in names a project stands by its id or its number."""
    return f"{model.rpartition('/')[2].partition('@')[0]}@{version_id}"


def leading(found: Iterable[Deployed], version: str) -> Deployed | None:
    """The deployed model that stands for the version: of several, one with traffic, one that answers, the oldest."""
    mine = [one for one in found if one.version == version]
    return max(mine, key=lambda one: (one.percent, one.ready), default=None)


def traffic_of(found: Sequence[Deployed]) -> dict[str, int]:
    """Percent by version, 0 for one that stands by."""
    return {one.version: sum(same.percent for same in found if same.version == one.version) for one in found}


def ready_in(found: Sequence[Deployed]) -> tuple[str, ...]:
    """The versions that answer."""
    versions = dict.fromkeys(one.version for one in found)
    return tuple(version for version in versions if (lead := leading(found, version)) and lead.ready)


def successor(found: Iterable[Deployed], version: str, number: str | None) -> Deployed | None:
    """The deployed model of that number, which answers and stands by while an older one of the version has traffic."""
    mine = [one for one in found if one.version == version]
    if number is None or any(one.percent and one.number == number for one in mine):
        return None
    has_traffic = any(one.percent for one in mine)
    return next((one for one in mine if has_traffic and one.ready and one.number == number), None)


def _created(deployed_model: Any) -> float:
    """When it was deployed, in seconds since the epoch."""
    return float(deployed_model.create_time.timestamp()) if "create_time" in deployed_model else 0.0


def _is_ready(deployed_model: Any) -> bool:
    """Whether replicas are up; one whose status Google has not told yet was ready when its deployment ended."""
    told = "status" in deployed_model and "last_update_time" in deployed_model.status
    return not told or deployed_model.status.available_replica_count > 0
