"""What of a machine a training may use: the number format that it computes in, and processes that load samples.

Weights, their gradients and what is stored are always float32. Loaded batches travel through shared memory, which is
small: containers have 64 MB of it unless they were given more, which not every service lets one do; a process that
finds it full dies of a bus error.
"""

from __future__ import annotations

import hashlib
import logging
import os
import platform
import time
from pathlib import Path
from typing import TYPE_CHECKING

from evergreen.tasks.settings import Precision

if TYPE_CHECKING:
    import torch

MOST_LOADERS = 8
BATCHES_A_LOADER = 3
"""Two that wait to be fetched, which is what torch asks a loader for in advance, and the one that it makes."""
LOADER_SETS = 2
"""Those of the training and those of the validation: both keep their processes."""
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where the system keeps it, not a file of ours
_log = logging.getLogger(__name__)

_GAIN = 1.3
_ROUNDS = 12
_SHAPE = (768, 512, 1024)
_FILE_NAME = "precision"
_CPU_FACTS = Path("/proc/cpuinfo")


def computes_in_bf16(precision: Precision, checkpoint_dir: Path) -> bool:
    """Whether to compute in bfloat16; `auto` measures once for all trainings whose checkpoints lie side by side.

    A training that is resumed or repeated on the same kind of device computes as it did before, however busy the
    machine is by then.
    """
    if precision != "auto":
        return precision == "bf16"
    remembered = checkpoint_dir.parent / f"{_FILE_NAME}-{_device()}"
    if not remembered.is_file():
        written = remembered.with_name(f"{remembered.name}.{os.getpid()}")
        written.write_text("bf16" if bf16_pays() else "fp32", encoding="utf-8")
        written.replace(remembered)
    return remembered.read_text(encoding="utf-8") == "bf16"


def bf16_pays() -> bool:
    """Whether bfloat16 is worth it: a GPU supports it, or this CPU multiplies it clearly faster than float32.

    A CPU flag cannot tell: with AMX bfloat16 is several times as fast, with AVX-512 alone it may take twice as long.
    """
    import torch

    if torch.cuda.is_available():
        return bool(torch.cuda.is_bf16_supported())
    rounds = [(_seconds_of_product(torch.float32), _seconds_of_product(torch.bfloat16)) for _ in range(_ROUNDS)]
    return min(full for full, _ in rounds) / min(half for _, half in rounds) >= _GAIN


def _device() -> str:
    """A file name for the kind of device that trains: `cuda-1f0c9a3e77b2`, `cpu-90d2b81c4e55`."""
    import torch

    if torch.cuda.is_available():
        kind, facts = "cuda", f"{torch.cuda.get_device_name()} {torch.cuda.get_device_capability()}"
    else:
        kind, facts = "cpu", _cpu()
    return f"{kind}-{hashlib.sha256(facts.encode()).hexdigest()[:12]}"


def _cpu() -> str:
    """Model and instruction sets of the first processor, as far as the system tells them."""
    try:
        first = _CPU_FACTS.read_text(encoding="utf-8").partition("\n\n")[0]
    except OSError:  # no Linux
        return f"{platform.machine()} {platform.processor()}"
    return "\n".join(line for line in first.splitlines() if line.startswith(("model name", "flags", "Features", "CPU")))


def _seconds_of_product(dtype: torch.dtype) -> float:
    import torch

    rows, width, outputs = _SHAPE
    left, right = torch.ones(rows, width, dtype=dtype), torch.ones(outputs, width, dtype=dtype)
    started = time.perf_counter()
    torch.nn.functional.linear(left, right)
    return time.perf_counter() - started


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
