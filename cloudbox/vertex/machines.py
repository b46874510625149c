"""Machine types of Compute Engine: how much memory one has, and which one Vertex would take for a pipeline task."""

from __future__ import annotations

import re

GIB = 2**30
_TYPE = re.compile(r"([a-z]\w*)-(standard|highmem|highcpu)-(\d+)")
_GIB_BY_CPU = {"standard": 4.0, "highmem": 8.0, "highcpu": 1.0}
_N1_GIB_BY_CPU = {"standard": 3.75, "highmem": 6.5, "highcpu": 0.9}
_SIZES = (4, 8, 16, 32)


def memory_bytes(machine_type: str) -> int | None:
    """Memory of a predefined machine type such as n1-standard-4; None for one that is not known."""
    match = _TYPE.fullmatch(machine_type)
    if not match:
        return None
    series, kind, cpus = match.groups()
    by_cpu = _N1_GIB_BY_CPU if series == "n1" else _GIB_BY_CPU
    return int(by_cpu[kind] * int(cpus) * GIB)


def machine_for(cpus: float, memory_gb: float, *, accelerated: bool) -> str:
    """The smallest machine that holds what a task asks for; accelerators come with N1 machines."""
    series = "n1" if accelerated else "e2"
    for kind in ("standard", "highmem"):
        for size in _SIZES:
            name = f"{series}-{kind}-{size}"
            if size >= cpus and (memory_bytes(name) or 0) >= memory_gb * 10**9:
                return name
    return f"{series}-highmem-{_SIZES[-1]}"
