"""A lease, waited for, renewed by a thread while it is held, and given back.

with held(store, "model 'news'", holder_of("rollback"), patience=Patience(wait_s=60, waiting=print)) as claim:
    claim.fence()
    endpoint.set_traffic({"3fa41c02be17": 100})
"""

from __future__ import annotations

import getpass
import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from evergreen.core.errors import BusyError, EvergreenError
from evergreen.core.lease import RENEW_EVERY_S, Claim, Holder, Lease, LeaseLostError, LeaseStore, from_nobody

logger = logging.getLogger(__name__)

SAME_START_S = 2.0
"""A process's start is read from the clock, which may be set in between; two processes of one id are further apart."""


@dataclass(frozen=True)
class Patience:
    """How long the lease is waited for; `waiting` is told once who holds it, `over` says from whom it is taken over."""

    wait_s: float
    waiting: Callable[[str], None] = logger.info
    over: Callable[[Lease], bool] = from_nobody


def holder_of(run: str) -> Holder:
    """This process as the holder of a lease, for a run or command of this name."""
    return Holder(
        owner=owner(),
        run=run,
        since=datetime.now(UTC).replace(microsecond=0),
        token=uuid.uuid4().hex,
        pid=os.getpid(),
        started=process_started(os.getpid()) or 0.0,
    )


def owner() -> str:
    """Who this process belongs to, as `user@host`."""
    return f"{_user()}@{socket.gethostname()}"


def process_started(pid: int) -> float | None:
    """When the process of this machine began, in seconds since the epoch; None when there is none."""
    import psutil

    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return None


def is_gone(holder: Holder) -> bool:
    """Whether the holder was a process of this machine that has ended; of another machine's nobody here can tell."""
    if holder.owner.rpartition("@")[2] != socket.gethostname():
        return False
    started = process_started(holder.pid)
    return started is None or abs(started - holder.started) > SAME_START_S


def left_by_the_dead(run: str | None = None) -> Callable[[Lease], bool]:
    """Whether a lease's holder is a process of this machine that has ended, or an earlier try of the same `run`."""

    def over(lease: Lease) -> bool:
        holder = lease.holder
        return holder is not None and (is_gone(holder) or holder.run == run)

    return over


@contextmanager
def held(store: LeaseStore, of: str, holder: Holder, patience: Patience) -> Iterator[Claim]:
    """The lease, held within the block; `of` is what messages say that it is of, as `model 'news'`.

    Raises:
        BusyError: somebody else held it all the time; the message says who.
        EvergreenError: the store does not answer.
    """
    claim = Claim(store, of, holder)
    _take(claim, store, patience)
    done = threading.Event()
    renewer = threading.Thread(target=_renew, args=(claim, done), name=f"lease of {of}", daemon=True)
    renewer.start()
    try:
        yield claim
    finally:
        done.set()
        renewer.join()
        try:
            claim.release()
        except EvergreenError as error:  # it lapses by itself; what was done under it is done
            logger.warning("the lease of %s could not be given back, it lapses by itself: %s", of, error)


def _take(claim: Claim, store: LeaseStore, patience: Patience) -> None:
    deadline = time.monotonic() + patience.wait_s
    announced = False
    while True:
        seen = store.read()
        if claim.take(seen, patience.over):
            return
        if seen.holder is None:  # somebody else was quicker: the next look says who
            continue
        if time.monotonic() >= deadline:
            waited = f"waited {patience.wait_s:g} s: " if patience.wait_s else ""
            raise BusyError(
                f"{seen.sentence(claim.of)}; {waited}wait for it to end, or end a run with "
                "`run.py stop`, then run again"
            )
        if not announced:
            patience.waiting(f"{seen.sentence(claim.of)}; waiting up to {patience.wait_s:g} s")
            announced = True
        time.sleep(min(store.poll_s, max(deadline - time.monotonic(), 0)))


def _renew(claim: Claim, done: threading.Event) -> None:
    while not done.wait(RENEW_EVERY_S):
        try:
            claim.fence()
        except LeaseLostError as error:  # the next change of the traffic is refused with it
            logger.warning("%s", error)
            return
        except EvergreenError as error:
            logger.warning("the lease of %s was not renewed, it is tried again: %s", claim.of, error)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return str(os.getuid())
