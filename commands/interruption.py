"""Ctrl-C and SIGTERM during a run: ZenML hears that the run is to stop before anything in it ends."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from commands.termination import Terminated

SIGNALS = (signal.SIGINT, signal.SIGTERM)
ANNOUNCED_WITHIN_S = 15.0


@contextmanager
def announcing(announce: Callable[[], None]) -> Iterator[None]:
    """Within the block the first such signal calls `announce`, then does what it did before the block.

    It is called in a thread of its own, and waited for only so long: what the signal broke into may hold a lock. ZenML
    may then raise over the signal's exception that the step has ended already: the signal's is raised all the same.
    """
    owner, before = os.getpid(), {number: signal.getsignal(number) for number in SIGNALS}
    came: int | None = None

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal came
        if os.getpid() == owner and came is None:
            came = number
            thread = threading.Thread(target=announce, daemon=True)
            thread.start()
            thread.join(ANNOUNCED_WITHIN_S)
        then = before[signal.Signals(number)]
        if callable(then):
            then(number, frame)
        else:
            signal.signal(number, then or signal.SIG_DFL)
            os.kill(os.getpid(), number)

    for number in SIGNALS:
        signal.signal(number, handle)
    try:
        yield
    except Exception as error:
        if came is None:
            raise
        raise (KeyboardInterrupt if came == signal.SIGINT else Terminated)() from error
    finally:
        for number, then in before.items():
            signal.signal(number, then)


@contextmanager
def held_back(until: str) -> Iterator[None]:
    """Within the block the first Ctrl-C or SIGTERM waits for the block's end, however it ends; a second one does not.

    `until` says on stderr what is waited for.
    """
    before = {number: signal.getsignal(number) for number in SIGNALS}
    owner = os.getpid()
    came: int | None = None

    def restore() -> None:
        for number, then in before.items():
            signal.signal(number, then)

    def handle(number: int, _frame: FrameType | None) -> None:
        nonlocal came
        if os.getpid() == owner and came is None:
            came = number
            os.write(sys.stderr.fileno(), f"interrupted; waiting until {until} (once more: at once)\n".encode())
            return
        restore()
        os.kill(os.getpid(), number)

    for number in SIGNALS:
        signal.signal(number, handle)
    try:
        yield
    finally:
        restore()
        if came is not None:
            os.kill(os.getpid(), came)
