"""Who may move a model's traffic, or write an output: a lease, kept as one object that is written only at the
generation that was read.

{"holder": {"owner": "ann@laptop", "run": "rollback", "since": "2026-11-28T19:46Z",
  "token": "9f0c…"}, "rollout": null}

The store's clock decides, never a machine's: an object lapses TTL_S after its last write. A holder renews it, and each
change of the traffic first does so too (the *fence*): whoever lost the lease learns it before it changes anything, and
for TTL_S from then on nobody else's claim succeeds unless it takes over on purpose.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from threading import RLock
from typing import Protocol

from pydantic import Field

from evergreen.core.base import Frozen
from evergreen.core.deployment import EndpointStatus, Transition
from evergreen.core.errors import BusyError, EvergreenError

TTL_S = 120.0
RENEW_EVERY_S = 30.0


class HeldLease(Frozen):
    """What a person is told of a lease that is held: by whom, for which run or command, `until` when unless renewed."""

    owner: str
    run: str
    since: datetime
    until: datetime

    def __str__(self) -> str:
        since, until = f"{self.since:%Y-%m-%d %H:%M:%S}", f"{self.until:%H:%M:%S}"
        return f"{self.owner} ({self.run}) since {since} UTC, until {until} UTC unless renewed"


class Holder(Frozen):
    """Who holds the lease: `owner` is user@host, `run` the run's or command's name, `token` tells two claims apart.

    `pid` and `started` (seconds since the epoch) name its process, by which its own machine knows that it is gone.
    """

    owner: str
    run: str
    since: datetime
    token: str
    pid: int
    started: float


class Rollout(Frozen):
    """A change of the traffic that is under way: what `run` brings live, and what there was `before`, to return to.

    `transitions` are the shares of its ramp so far, each noted before the traffic moves; the last one may not have come
    to be. Who takes over goes on from there. Without any the object is what earlier releases can read.
    """

    run: str
    version: str
    champion: str | None
    before: EndpointStatus
    transitions: tuple[Transition, ...] = Field((), exclude_if=lambda value: not value)


class Lease(Frozen):
    """The object's content. A rollout that its holder did not finish stays noted until somebody makes an end of it."""

    holder: Holder | None = None
    rollout: Rollout | None = None


class Seen(Frozen):
    """The lease as it was read, by the store's clock: it holds `until` then unless renewed.

    `generation` 0: there is no object yet.
    """

    lease: Lease
    generation: int
    now: datetime
    until: datetime

    @property
    def holder(self) -> Holder | None:
        """Who holds it; None when it is free, released or lapsed."""
        return self.lease.holder if self.now < self.until else None

    @property
    def held(self) -> HeldLease | None:
        """Who holds it, for people; None when it is free."""
        holder = self.holder
        if holder is None:
            return None
        return HeldLease(owner=holder.owner, run=holder.run, since=holder.since, until=self.until)

    def sentence(self, of: str) -> str:
        """Who holds it, since when, and until when unless renewed; `of` says what for, as `model 'news'`."""
        held = self.held
        return f"the lease of {of} is held by {held}" if held else f"nobody holds the lease of {of}"


class MovedError(EvergreenError):
    """The object has another generation than the one to be replaced."""


class LeaseLostError(BusyError):
    """Somebody else has the lease now: whoever held it before may change nothing any more."""


class LeaseStore(Protocol):
    """Where one lease is kept: of a model, or of an output."""

    @property
    def poll_s(self) -> float:
        """How long whoever waits for it pauses between two looks, in seconds."""

    def read(self) -> Seen:
        """The lease as it is now. Raises EvergreenError when the store does not answer."""

    def write(self, lease: Lease, generation: int) -> int:
        """The generation that the lease has now.

        Raises:
            MovedError: it has another generation than the one given; nothing was written.
            EvergreenError: the store does not answer; whether it was written is not known.
        """


def from_nobody(_: Lease) -> bool:
    """Takes the lease over from no one who holds it."""
    return False


class Claim:
    """One holder's claim on the lease `of` what its messages name; each method is one exchange with the store, so any
    two may interleave.
    """

    def __init__(self, store: LeaseStore, of: str, holder: Holder) -> None:
        self.of = of
        self.holder = holder
        self._store = store
        self._lease = Lease()
        self._generation: int | None = None
        self._turn = RLock()  # the thread that renews, and whoever changes the traffic

    @property
    def rollout(self) -> Rollout | None:
        """The rollout that is noted: the own one, or one that a holder before left unfinished."""
        return self._lease.rollout

    def take(self, seen: Seen, over: Callable[[Lease], bool] = from_nobody) -> bool:
        """Whether the lease, which was `seen` free or with a holder to take it over from, is this claim's now."""
        if seen.holder is not None and not over(seen.lease):
            return False
        with self._turn:
            lease = Lease(holder=self.holder, rollout=seen.lease.rollout)
            try:
                self._generation = self._write(lease, seen.generation)
            except MovedError:
                return False
            self._lease = lease
            return True

    def check(self) -> None:
        """Returns, without an exchange, while none has found it lost. Raises LeaseLostError as `fence` does."""
        if self._generation is None:
            raise self._lost()

    def fence(self) -> None:
        """Returns, the lease renewed, while it is this claim's; called before each change of the traffic.

        Raises:
            LeaseLostError: it is not; the message says whose it is.
            EvergreenError: the store does not answer.
        """
        with self._turn:  # what is noted meanwhile must not be written over with what there was before
            self._change(self._lease)

    def note(self, rollout: Rollout | None) -> None:
        """Keeps beside the lease what is under way; None: finished, or undone. Raises as `fence` does."""
        with self._turn:
            self._change(self._lease.model_copy(update={"rollout": rollout}))

    def release(self) -> None:
        """Gives the lease back; does nothing when it was lost. Raises EvergreenError when the store does not answer."""
        with self._turn:
            if self._generation is None:
                return
            generation, self._generation = self._generation, None
            try:
                self._store.write(self._lease.model_copy(update={"holder": None}), generation)
            except MovedError:
                return

    def _change(self, lease: Lease) -> None:
        if self._generation is None:
            raise self._lost()
        try:
            self._generation = self._write(lease, self._generation)
        except MovedError as error:
            self._generation = None
            raise self._lost() from error
        self._lease = lease

    def _write(self, lease: Lease, generation: int) -> int:
        """The new generation; written once more where the claim's own last write was done and only its answer lost."""
        try:
            return self._store.write(lease, generation)
        except MovedError:
            seen = self._store.read()
            if seen.lease.holder != self.holder:
                raise
            return self._store.write(lease, seen.generation)

    def _lost(self) -> LeaseLostError:
        seen = self._store.read()
        return LeaseLostError(
            f"the lease of {self.of} was lost: {seen.sentence(self.of)}; nothing was changed any more, "
            "look at `status`, then run again"
        )
