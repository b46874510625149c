"""One job at a time at an output of files: here by a lock of the kernel's, in a bucket by a lease beside it.

predictions/.lock   .labelled.csv.lock          while a job of this machine writes `predictions`, `labelled.csv`
gs://news/.predictions.lease.json               whose gs://news/predictions is; it stays, with nobody in it
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from evergreen.adapters.gcs.bucket import SCHEME
from evergreen.adapters.gcs.leases import GcsLease
from evergreen.core.batch import OwnTurn, Turn
from evergreen.core.errors import InputError
from evergreen.core.lease import Holder, Lease
from evergreen.runtime.hold import Patience, held
from evergreen.runtime.locks import exclusive


@contextmanager
def turn_here(path: str, lock: Path) -> Iterator[Turn]:
    """The output on this machine; the lock is gone after the block, and a folder with it that was made for it alone."""
    is_new = not lock.parent.exists()
    with ExitStack() as stack:
        try:
            stack.enter_context(exclusive(lock, f"another job writes {path}"))
        except OSError as error:
            raise InputError(f"{path} cannot be written: {error}; correct the output") from error
        try:
            yield OwnTurn()
        finally:
            lock.unlink(missing_ok=True)
            if is_new:
                with suppress(OSError):  # parts are in it
                    lock.parent.rmdir()


@contextmanager
def turn_at(path: str, holder: Holder, over: Callable[[Lease], bool]) -> Iterator[Turn]:
    """The output in a bucket. Raises BusyError: it is another job's."""
    bucket, *folders = path.removeprefix(SCHEME).rstrip("/").split("/")
    *above, name = folders or [""]
    store = GcsLease(None, bucket, "/".join([*above, f".{name}.lease.json"]), "the output")
    with held(store, path, holder, Patience(0, over=over)) as claim:
        yield claim
