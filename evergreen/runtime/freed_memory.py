"""Memory that was freed, back to the system: glibc keeps what a thread freed for its next request."""

from __future__ import annotations

import ctypes
import gc


def give_back() -> None:
    """Frees what only circles hold, and returns freed pages to the system, where its C library can."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
