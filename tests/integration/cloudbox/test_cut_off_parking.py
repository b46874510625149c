"""Parking that is cut off at a change of Vertex AI: a deployment brings the champion back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from evergreen.adapters.vertex.clients import Clients
from evergreen.adapters.vertex.endpoint import VertexEndpoint
from evergreen.adapters.vertex.parking import PARKED
from evergreen.adapters.vertex.resource import EndpointResource
from evergreen.core.rollout import Release, roll_out
from tests.endpoint_contract import GOOD, live
from tests.hosted_trial import HostedTrial

CHANGES = {"update_endpoint", "undeploy_model", "deploy_model"}


class KilledError(BaseException):
    """The process ends here."""


def killed(act: Callable[[], None], after: int) -> bool:
    """Whether `act` was cut off: once so many changes were asked for, and before what they begin has ended."""
    left = after

    def mortal(asked: Callable[..., Any]) -> Callable[..., Any]:
        def call(clients: Clients, what: str, method: Any, request: object, *made: Any) -> Any:
            nonlocal left
            changes = method.__name__ in CHANGES
            if changes and left == 0:
                raise KilledError
            answer = asked(clients, what, method, request, *made)
            left -= changes
            if changes and left == 0:
                raise KilledError
            return answer

        return call

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Clients, "call", mortal(Clients.call))
        patch.setattr(Clients, "call_once", mortal(Clients.call_once))
        patch.setattr(EndpointResource, "_clear", lambda *_: "")  # a process that is killed clears nothing away
        try:
            act()
        except KilledError:
            return True
    return False


def labelled(trial: HostedTrial) -> bool:
    endpoint = EndpointResource(Clients(trial.host), "news", "live").find()
    return endpoint is not None and PARKED in endpoint.labels


def bring_live(trial: HostedTrial, champion: str) -> None:
    """As `run.py deploy` does."""
    endpoint = VertexEndpoint(trial.host, "news")
    if endpoint.status().parked:
        endpoint.unpark()
    release = Release(model="news", version=champion, fetch=lambda: trial.path / "a", smoke=GOOD, proven=True)
    deployment = roll_out(endpoint, release, None, lambda: None)
    assert deployment.outcome in {"kept", "live"}, deployment.message


def test_a_parking_that_was_cut_off_is_undone_by_the_next_deployment(trial: HostedTrial) -> None:
    champion, endpoint = live(trial, "a"), trial.endpoint
    for after in (1, 2):
        assert killed(endpoint.park, after)
        bring_live(trial, champion)
        assert (endpoint.status().parked, trial.deployed(), labelled(trial)) == (False, [champion], False)
        assert endpoint.predict(GOOD)
