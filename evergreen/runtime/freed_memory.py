"""Memory that was freed, back to the system: glibc keeps what a thread freed for its next request."""

from __future__ import annotations

import ctypes


def give_back() -> None:
    """Returns freed pages to the system, where its C library can; takes milliseconds, and others run meanwhile."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim.argtypes = [ctypes.c_size_t]
        trim(0)
