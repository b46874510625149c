"""What runs on an endpoint, by version. A version may run twice for a while, when a dead one is being replaced."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from evergreen.core.base import Frozen


class Deployed(Frozen):
    """One deployed model: Google's `id` for it, our version, its percent of the traffic, and whether it answers."""

    id: str
    version: str
    percent: int
    ready: bool


def deployed_on(endpoint: Any) -> list[Deployed]:
    """The deployed models of a Vertex AI endpoint, those with traffic first."""
    split = dict(endpoint.traffic_split)
    found = [
        Deployed(id=one.id, version=one.display_name, percent=split.get(one.id, 0), ready=_is_ready(one))
        for one in endpoint.deployed_models
    ]
    return sorted(found, key=lambda one: -one.percent)


def leading(found: Iterable[Deployed], version: str) -> Deployed | None:
    """The deployed model that stands for the version: of several, one with traffic, then one that answers."""
    mine = [one for one in found if one.version == version]
    return max(mine, key=lambda one: (one.percent, one.ready), default=None)


def traffic(found: Sequence[Deployed]) -> dict[str, int]:
    """Percent by version, 0 for one that stands by."""
    return {one.version: sum(same.percent for same in found if same.version == one.version) for one in found}


def ready(found: Sequence[Deployed]) -> tuple[str, ...]:
    """The versions that answer."""
    versions = dict.fromkeys(one.version for one in found)
    return tuple(version for version in versions if (lead := leading(found, version)) and lead.ready)


def split_by_id(found: Sequence[Deployed], shares: Mapping[str, int]) -> dict[str, int]:
    """The traffic split that Vertex AI takes: percent by the id of each version's leading deployed model."""
    leads = {version: lead for version in shares if (lead := leading(found, version))}
    return {leads[version].id: percent for version, percent in shares.items() if percent}


def _is_ready(deployed_model: Any) -> bool:
    """Whether replicas are up; one whose status Google has not told yet was ready when its deployment ended."""
    told = "status" in deployed_model and "last_update_time" in deployed_model.status
    return not told or deployed_model.status.available_replica_count > 0
