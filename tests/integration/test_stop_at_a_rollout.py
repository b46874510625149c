"""What `stop` does with a rollout that a run which is gone has left, by what kind of rollout it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from evergreen.core.deployment import EndpointStatus
from evergreen.core.lease import Claim, Rollout
from evergreen.core.members import host_of
from evergreen.runtime.hold import holder_of
from tests.memory_endpoint import MemoryEndpoint
from tests.memory_host import hosting
from tests.recorded_versions import promote

pytestmark = pytest.mark.usefixtures("zenml_home")


def stopped(endpoint: MemoryEndpoint, version: str, champion: str, before: EndpointStatus) -> tuple[str | None, Any]:
    """What stop says, and the rollout that is noted afterwards, where the record has `champion`."""
    from orchestration.stopping import stop_runs

    model = f"left-{uuid4().hex[:8]}"
    promote(model, champion)
    host = hosting(endpoint)
    store = host_of(host).lease(model, Path())
    claim = Claim(store, model, holder_of("training-1"))
    assert claim.take(store.read())
    claim.note(
        Rollout(run="training-1", version=version, champion=champion if champion != version else None, before=before)
    )
    claim.release()
    return stop_runs(model, host).put_back, store.read().lease.rollout


def test_a_canary_goes_back_and_its_outdated_champion_is_neither_deployed_nor_renewed() -> None:
    endpoint = MemoryEndpoint({"a1": 100})
    endpoint.outdated = ("a1",)
    before = endpoint.status()
    endpoint.upload("b2", endpoint.uploaded["a1"])
    endpoint.deploy("b2")
    endpoint.set_traffic({"a1": 90, "b2": 10})
    endpoint.calls.clear()
    outcome, noted = stopped(endpoint, "b2", "a1", before)
    assert (outcome, noted) == ("the traffic is as before the rollout of b2: {'a1': 100}", None)
    assert endpoint.calls == ["set_traffic {'a1': 100}", "undeploy b2"]


@pytest.mark.parametrize("switched", [False, True])
def test_a_renewal_is_undone_until_its_successor_has_the_traffic(switched: bool) -> None:
    endpoint = MemoryEndpoint({"a1": 100})
    endpoint.outdated = ("a1",)
    before = endpoint.status()
    endpoint.renew("a1")
    if switched:
        endpoint.switch("a1")
    outcome, noted = stopped(endpoint, "a1", "a1", before)
    undone = "version a1 serves on with older code, its renewal is undone"
    assert (outcome, noted) == ("version a1 was renewed, it stays live" if switched else undone, None)
    assert (endpoint.successors, endpoint.outdated) == (set(), () if switched else ("a1",))


def test_a_promotion_that_was_recorded_stays() -> None:
    endpoint = MemoryEndpoint({"a1": 0, "b2": 100})
    before = EndpointStatus(url=None, traffic={"a1": 100}, ready=("a1",), outdated=("a1",))
    outcome, noted = stopped(endpoint, "b2", "b2", before)
    assert (outcome, noted) == ("version b2 is champion, it stays live", None)
    assert endpoint.traffic == {"a1": 0, "b2": 100}
