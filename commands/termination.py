"""SIGTERM as an exception, so that `kill`, a service manager or a cancelled job lets cleanups run as Ctrl-C does."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

TERMINATED = 128 + signal.SIGTERM


class Terminated(SystemExit):
    """SIGTERM came. A SystemExit, which event loops and libraries let pass as they must."""

    def __init__(self) -> None:
        super().__init__(TERMINATED)


@contextmanager
def sigterm_raises() -> Iterator[None]:
    """Within the block the first SIGTERM raises Terminated in the main thread; later ones leave its cleanups alone."""
    owner, came = os.getpid(), False

    def handle(number: int, _frame: FrameType | None) -> None:
        nonlocal came
        if os.getpid() != owner:  # a forked worker, which its parent ends: as if nothing had been set here
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        elif not came:
            came = True
            signal.signal(number, handle)  # in place of ZenML's own, which would break into a step's cleanups
            raise Terminated

    before = signal.signal(signal.SIGTERM, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
