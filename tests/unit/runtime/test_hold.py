"""Waiting for a lease, holding it, and losing it in the middle of a rollout."""

from __future__ import annotations

import threading

import pytest

from evergreen.core.deployment import EndpointStatus
from evergreen.core.errors import BusyError
from evergreen.core.fence import FencedEndpoint
from evergreen.core.lease import TTL_S, Claim, Lease, LeaseLostError, Rollout
from evergreen.core.rollout import roll_out
from evergreen.runtime import hold
from evergreen.runtime.hold import Patience, held, holder_of
from tests.memory_endpoint import MemoryEndpoint
from tests.memory_lease import MemoryLease
from tests.rollouts import release


def nobody_waits(message: str) -> None:
    raise AssertionError(message)


AT_ONCE = Patience(0, nobody_waits)


def test_whoever_waits_is_told_for_whom_and_comes_when_the_holder_is_done() -> None:
    store, messages = MemoryLease(), list[str]()
    holds, end = threading.Event(), threading.Event()

    def work() -> None:
        with held(store, "news", holder_of("training-1"), AT_ONCE):
            holds.set()
            end.wait()

    other = threading.Thread(target=work)
    other.start()
    holds.wait()

    def waiting(sentence: str) -> None:
        messages.append(sentence)
        end.set()

    with held(store, "news", holder_of("training-2"), Patience(60, waiting)) as claim:
        assert store.read().holder == claim.holder
    other.join()
    assert store.read().holder is None
    (sentence,) = messages
    assert "(training-1) since" in sentence
    assert sentence.endswith("unless renewed; waiting up to 60 s")


def test_whoever_waited_long_enough_is_refused_with_the_holder() -> None:
    store = MemoryLease()
    with (
        held(store, "news", holder_of("training-1"), AT_ONCE),
        pytest.raises(BusyError, match=r"held by .+@.+ \(training-1\) since .+ renewed; wait for it to end, or end"),
        held(store, "news", holder_of("teardown"), AT_ONCE),
    ):
        pass


def test_a_held_lease_is_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    store, renewed = MemoryLease(), threading.Event()
    fence = Claim.fence

    def renew(claim: Claim) -> None:
        fence(claim)
        renewed.set()

    monkeypatch.setattr(hold, "RENEW_EVERY_S", 0.001)
    monkeypatch.setattr(Claim, "fence", renew)
    with held(store, "news", holder_of("training-1"), AT_ONCE):
        store.pass_time(TTL_S - 1)
        renewed.clear()
        renewed.wait()
        store.pass_time(TTL_S - 1)
        assert store.read().holder is not None


def test_a_rollout_that_lost_its_lease_stops_and_leaves_the_traffic_alone() -> None:
    store, endpoint = MemoryLease(), MemoryEndpoint({"a1": 100})
    with held(store, "news", holder_of("training-1"), AT_ONCE) as claim:

        def lose() -> None:
            claim.fence()
            endpoint.calls.append("on_live")

        predict = endpoint.predict

        def predicted(instances: object, version: str | None = None, *, logged: bool = True) -> object:
            if endpoint.traffic.get("b2") == 10:  # a canary, which a person rolls back now
                other = Claim(store, "news", holder_of("rollback"))
                assert other.take(store.read(), over=lambda _: True)
            return predict(instances, version, logged=logged)  # type: ignore[arg-type]

        endpoint.predict = predicted  # type: ignore[assignment, method-assign]
        with pytest.raises(LeaseLostError, match=r"held by .+ \(rollback\)"):
            roll_out(FencedEndpoint(endpoint, claim.fence), release("b2", shares=(10,)), None, lose)
    assert endpoint.traffic == {"a1": 90, "b2": 10}
    assert endpoint.calls[-1] != "on_live"


def test_a_renewal_that_comes_while_a_rollout_is_noted_does_not_forget_it() -> None:
    class Renewing(MemoryLease):
        """Whose write of a rollout is met by a renewal of the other thread."""

        def write(self, lease: Lease, generation: int) -> int:
            if lease.rollout is not None and not renewals:
                renewals.append(threading.Thread(target=claim.fence))
                renewals[0].start()
                renewals[0].join(0.1)  # it waits for this write
            return super().write(lease, generation)

    renewals: list[threading.Thread] = []
    store = Renewing()
    claim = Claim(store, "news", holder_of("training-1"))
    assert claim.take(store.read())
    before = EndpointStatus(url=None, traffic={"a1": 100}, ready=("a1",))
    claim.note(Rollout(run="training-1", version="b2", champion="a1", before=before))
    renewals[0].join()
    noted = store.read().lease.rollout
    assert noted is not None
    assert noted.version == "b2"
