"""How many processes may load samples beside a training: their batches travel through shared memory, which is small.

Containers have 64 MB of it unless they were given more, which not every service lets one do; a process that finds it
full dies of a bus error.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

MOST_LOADERS = 8
BATCHES_A_LOADER = 3
"""Two that wait to be fetched, which is what torch asks a loader for in advance, and the one that it makes."""
LOADER_SETS = 2
"""Those of the training and those of the validation: both keep their processes."""
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where the system keeps it, not a file of ours
_log = logging.getLogger(__name__)


def loaders_that_fit(batch_bytes: int, shared: Path = SHARED_MEMORY) -> int:
    """Processes for each of the two sets, at least 0, at most MOST_LOADERS or the machine's cores; says so in the log.

    Args:
        batch_bytes: what a batch takes on its way.
        shared: the file system through which it travels; one that is not there does not bound them.
    """
    most = min(MOST_LOADERS, os.cpu_count() or 1)
    try:
        system = os.statvfs(shared)
    except FileNotFoundError:  # no Linux
        return most
    free_bytes = system.f_bavail * system.f_frsize
    loaders = min(most, free_bytes // (LOADER_SETS * BATCHES_A_LOADER * batch_bytes))
    _log.info(
        "%d processes load samples: %s has %.1f MB free, a batch takes %.1f MB",
        loaders,
        shared,
        free_bytes / 1e6,
        batch_bytes / 1e6,
    )
    return loaders
