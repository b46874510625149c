"""Freed memory goes back to the system."""

from __future__ import annotations

import ctypes
import os
import threading
from pathlib import Path

import pytest

from evergreen.runtime.freed_memory import give_back

BLOCK, BLOCKS = 32 * 1024, 2048
RESIDENT = Path("/proc/self/statm")


def resident_mib() -> float:
    return int(RESIDENT.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


@pytest.mark.skipif(
    not RESIDENT.exists() or not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="needs Linux with glibc"
)
def test_what_another_thread_freed_goes_back_to_the_system() -> None:
    kept: list[bytes] = []

    def load() -> None:
        blocks = [bytes(bytearray(b"x") * BLOCK) for _ in range(BLOCKS)]
        kept.extend(blocks[::64])  # so that the rest is no end of a heap, which the C library returns by itself

    thread = threading.Thread(target=load)
    thread.start()
    thread.join()
    before = resident_mib()
    give_back()
    assert before - resident_mib() > BLOCK * BLOCKS / 2**20 / 2
    assert len(kept) == BLOCKS // 64
