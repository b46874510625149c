"""Traffic splits: what Google accepts, and which deployed model answers the next request."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping

from cloudbox.errors import failed_precondition, invalid

NEW = "0"
"""In a DeployModel request this key is the model that is being deployed."""


def check_traffic(split: Mapping[str, int], deployed: Collection[str]) -> None:
    """Raises ApiError(INVALID_ARGUMENT) unless the split is empty, or sums to 100 over deployed models."""
    unknown = sorted(set(split) - set(deployed))
    if unknown:
        have = ", ".join(deployed) or "none"
        raise invalid(f"Traffic split names `{', '.join(unknown)}`, which is not deployed (deployed: {have}).")
    if any(share < 0 for share in split.values()):
        raise invalid(f"Traffic percentages are 0 to 100, got {dict(split)}.")
    if split and sum(split.values()) != 100:
        raise invalid(f"Sum of traffic_split values must be 100, got {sum(split.values())} from {dict(split)}.")


def chosen(split: Mapping[str, int]) -> str:
    """A deployed model, drawn by its share. Raises ApiError(FAILED_PRECONDITION) when none has traffic."""
    if not any(split.values()):
        raise failed_precondition("The Endpoint has no deployed model that takes traffic; deploy one first.")
    return random.choices(list(split), weights=list(split.values()))[0]  # noqa: S311 a share of traffic is no secret


def without(split: Mapping[str, int], deployed_id: str, asked: Mapping[str, int]) -> dict[str, int]:
    """The split after an undeployment: the one asked for, else the present one when nothing is lost by it.

    Raises:
        ApiError: FAILED_PRECONDITION when the others would get less than 100 % together.
    """
    if asked:
        return {key: share for key, share in asked.items() if share or key != deployed_id}
    left = {key: share for key, share in split.items() if key != deployed_id}
    if left and sum(left.values()) != 100:
        raise failed_precondition(
            f"DeployedModel `{deployed_id}` takes {split.get(deployed_id, 0)} % of the traffic; "
            "give traffic_split with the others at 100."
        )
    return left
