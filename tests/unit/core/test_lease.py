"""The lease of a model: however machines, clocks and lost answers interleave, one holder passes the fence."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from evergreen.core.deployment import EndpointStatus
from evergreen.core.errors import EvergreenError
from evergreen.core.lease import RENEW_EVERY_S, TTL_S, Claim, Holder, Lease, LeaseLostError, Rollout, Seen
from tests.memory_lease import MemoryLease

BEFORE = EndpointStatus(url=None, traffic={"a1": 100}, ready=("a1",))
MACHINES = st.sampled_from(["ann", "bob"])


def holder(owner: str, token: str = "") -> Holder:
    since = datetime(2026, 1, 1, tzinfo=UTC)
    return Holder(owner=f"{owner}@host", run=f"run-of-{owner}", since=since, token=token or owner, pid=1, started=0)


def claim(store: MemoryLease, owner: str) -> Claim:
    return Claim(store, "news", holder(owner))


def rollout(run: str) -> Rollout:
    return Rollout(run=run, version="b2", champion="a1", before=BEFORE)


class TwoMachines(RuleBasedStateMachine):
    """Each machine looks, takes, renews, changes traffic, sleeps and dies at any moment, on an unreliable bucket."""

    @initialize()
    def begin(self) -> None:
        self.store = MemoryLease()
        self.claims: dict[str, Claim] = {}
        self.seen: dict[str, Seen] = {}
        self.count = 0
        self.last_to_take: str | None = None
        self.fenced_until: dict[str, datetime] = {}

    @rule(machine=MACHINES)
    def read(self, machine: str) -> None:
        self.seen[machine] = self.store.read()

    @precondition(lambda self: self.seen)
    @rule(machine=MACHINES, takes_over=st.booleans())
    def take(self, machine: str, takes_over: bool) -> None:
        if machine not in self.seen:
            return
        self.count += 1
        token = f"{machine}-{self.count}"
        new = Claim(self.store, "news", holder(machine, token))

        def over(_: Lease) -> bool:
            return takes_over

        taken = self.attempt(lambda: new.take(self.seen[machine], over))
        if taken:
            others = [until for other, until in self.fenced_until.items() if other != token]
            assert takes_over or all(self.store.now >= until for until in others), "taken while a fence still held"
            if takes_over:  # on purpose: whoever was fenced before holds nothing against a later claim
                self.fenced_until = {}
            self.last_to_take, self.claims[machine] = token, new

    @rule(machine=MACHINES)
    def change_traffic(self, machine: str) -> None:
        held = self.claims.get(machine)
        if held and self.attempt(held.fence):
            assert held.holder.token == self.last_to_take, "the fence let a holder of before pass"
            assert self.store.read().holder == held.holder
            self.fenced_until = {held.holder.token: self.store.read().until}

    @rule(machine=MACHINES)
    def note(self, machine: str) -> None:
        if held := self.claims.get(machine):
            self.attempt(lambda: held.note(rollout(machine)))

    @rule(machine=MACHINES)
    def release(self, machine: str) -> None:
        if held := self.claims.pop(machine, None):
            self.attempt(held.release)
            self.fenced_until.pop(held.holder.token, None)

    @rule(machine=MACHINES)
    def die(self, machine: str) -> None:
        self.claims.pop(machine, None)

    @rule(seconds=st.sampled_from([1.0, RENEW_EVERY_S, TTL_S - 1, TTL_S]))
    def sleep(self, seconds: float) -> None:
        self.store.pass_time(seconds)

    @rule(lost=st.sampled_from(["answer", "request"]))
    def lose(self, lost: str) -> None:
        self.store.loses = [lost]

    @invariant()
    def one_holder(self) -> None:
        """Of two claims at most one is the object's."""
        now = self.store.read().lease.holder if hasattr(self, "store") else None
        owners = [claim for claim in getattr(self, "claims", {}).values() if claim.holder == now]
        assert len(owners) <= 1

    def attempt(self, change: Callable[[], bool | None]) -> bool:
        """Whether it was done: it neither raised nor said no."""
        try:
            return change() is not False
        except EvergreenError:
            return False


TwoMachines.TestCase.settings = settings(stateful_step_count=40)
TestTwoMachines = TwoMachines.TestCase


def test_a_holder_that_died_frees_the_lease_when_it_lapses() -> None:
    store = MemoryLease()
    dead = claim(store, "ann")
    assert dead.take(store.read())
    store.pass_time(TTL_S - 1)
    assert not claim(store, "bob").take(store.read())
    store.pass_time(1)
    bob = claim(store, "bob")
    assert bob.take(store.read())
    with pytest.raises(LeaseLostError, match=r"was lost: the lease of news is held by bob@host \(run-of-bob\)"):
        dead.fence()
    bob.fence()


def test_a_fence_renews_the_lease() -> None:
    store = MemoryLease()
    ann = claim(store, "ann")
    ann.take(store.read())
    store.pass_time(TTL_S - 1)
    ann.fence()
    store.pass_time(TTL_S - 1)
    assert not claim(store, "bob").take(store.read())


@pytest.mark.parametrize("lost", ["answer", "request"])
def test_a_holder_whose_write_was_not_answered_still_holds_the_lease(lost: str) -> None:
    store = MemoryLease()
    ann = claim(store, "ann")
    ann.take(store.read())
    store.loses = [lost]
    with pytest.raises(EvergreenError, match="does not answer"):
        ann.note(rollout("run-of-ann"))
    ann.fence()
    assert store.read().holder == ann.holder


def test_a_rollout_that_its_holder_left_unfinished_is_known_to_the_next_one() -> None:
    store = MemoryLease()
    ann, bob = claim(store, "ann"), claim(store, "bob")
    ann.take(store.read())
    ann.note(rollout("run-of-ann"))
    ann.release()
    assert store.read().holder is None
    assert bob.take(store.read())
    assert bob.rollout == rollout("run-of-ann")
    bob.note(None)
    bob.release()
    assert store.read().lease == Lease()


def test_a_lease_that_was_lost_is_not_given_back_for_its_new_holder() -> None:
    store = MemoryLease()
    ann, bob = claim(store, "ann"), claim(store, "bob")
    ann.take(store.read())
    assert bob.take(store.read(), over=lambda _: True)
    ann.release()
    assert store.read().holder == bob.holder
