"""An end for a training that hangs: ZenML gives custom jobs no scheduling timeout, and Vertex AI waits for seven days.

environment: {EVERGREEN_TRAINING_LIMIT_S: "86400"}
"""

from __future__ import annotations

import faulthandler
import os
from collections.abc import Iterator
from contextlib import contextmanager

from evergreen.core.errors import InputError

LIMIT = "EVERGREEN_TRAINING_LIMIT_S"
STDERR = 2


@contextmanager
def time_limit() -> Iterator[None]:
    """Ends the process when the block takes longer than the variable says; where each thread was is in its log.

    A thread of the interpreter's own ends it, so that what hangs in a library's C code is ended as well; a checkpoint
    that was saved is there for the next run.

    Raises:
        InputError: the variable is no number of seconds.
    """
    seconds = _seconds(os.environ.get(LIMIT))
    if seconds is None:
        yield
        return
    faulthandler.dump_traceback_later(seconds, exit=True, file=STDERR)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def _seconds(text: str | None) -> float | None:
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 1 <= seconds <= 7 * 86400:
        raise InputError(f"{LIMIT} is {text!r}; give seconds between 1 and 604800 (seven days), e.g. 86400")
    return seconds
