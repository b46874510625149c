"""Which accelerators go with which machine types, as Google publishes it.

https://cloud.google.com/vertex-ai/docs/training/configure-compute#gpu-compatibility-table
A machine type that is not known here is let through: Google may have added it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from evergreen.core.cloud import Machine


@dataclass(frozen=True)
class Attachable:
    """An accelerator for N1 machines: how many may be attached, and the most vCPUs that each carries."""

    counts: tuple[int, ...]
    vcpus: int


ATTACHABLE = {
    "NVIDIA_TESLA_P4": Attachable((1, 2, 4), 24),
    "NVIDIA_TESLA_T4": Attachable((1, 2, 4), 24),
    "NVIDIA_TESLA_P100": Attachable((1, 2, 4), 24),
    "NVIDIA_TESLA_V100": Attachable((1, 2, 4, 8), 12),
}
BUILT_IN = {
    "g2-standard": "NVIDIA_L4",
    "a2-highgpu": "NVIDIA_TESLA_A100",
    "a2-megagpu": "NVIDIA_TESLA_A100",
    "a2-ultragpu": "NVIDIA_A100_80GB",
    "a3-highgpu": "NVIDIA_H100_80GB",
    "a3-megagpu": "NVIDIA_H100_MEGA_80GB",
    "a3-ultragpu": "NVIDIA_H200_141GB",
    "a4-highgpu": "NVIDIA_B200",
}
"""Accelerators that are part of a machine type; `-8g` at its end tells how many."""
L4_BY_VCPUS = {24: 2, 48: 4, 96: 8}
"""Of g2-standard, whose smaller sizes have one."""
NONE_ATTACHED = {"e2", "n2", "n2d", "n4", "c2", "c2d", "c3", "c3d", "c4", "t2d", "m1", "m2", "m3"}
"""Series that take no accelerator."""
NAME = re.compile(r"(?P<series>[a-z]\d+[a-z]?)-(?P<kind>[a-z]+)-(?P<size>\d+)g?")


def misfit(machine: Machine) -> str | None:
    """Why Vertex AI would refuse the machine, and what would fit; None where nothing is known against it."""
    match = NAME.fullmatch(machine.machine_type)
    if match is None:
        return None
    series, family, size = match["series"], f"{match['series']}-{match['kind']}", int(match["size"])
    if family in BUILT_IN:
        count = L4_BY_VCPUS.get(size, 1) if family == "g2-standard" else size
        return _built_in(machine, BUILT_IN[family], count)
    return _plain(machine, series, size) if machine.accelerator_type else None


def _plain(machine: Machine, series: str, vcpus: int) -> str | None:
    """Of a machine type that comes without accelerators."""
    kind = machine.accelerator_type or ""
    if kind in BUILT_IN.values():
        families = " or ".join(name for name, built_in in BUILT_IN.items() if built_in == kind)
        return f"{kind} is part of {families}, not of {machine.machine_type}; name one of those"
    if series == "n1" and kind in ATTACHABLE:
        return _attached(machine, ATTACHABLE[kind], vcpus)
    if series in NONE_ATTACHED:
        attachable = f"{', '.join(ATTACHABLE)} go with n1 machines"
        return f"{machine.machine_type} takes no accelerator, got {kind}; {attachable}"
    return None


def _built_in(machine: Machine, kind: str, count: int) -> str | None:
    if (machine.accelerator_type, machine.accelerator_count) == (kind, count):
        return None
    got = f"{machine.accelerator_count} {machine.accelerator_type}" if machine.accelerator_type else "none"
    return (
        f"{machine.machine_type} comes with {count} {kind}, got {got}; write accelerator_type: {kind}, "
        f"accelerator_count: {count}"
    )


def _attached(machine: Machine, rule: Attachable, vcpus: int) -> str | None:
    kind, count = machine.accelerator_type, machine.accelerator_count
    if count not in rule.counts:
        return f"{count} {kind} cannot be attached; allowed: {', '.join(map(str, rule.counts))}"
    if vcpus > count * rule.vcpus:
        return (
            f"{machine.machine_type} is too large for {count} {kind} (at most {rule.vcpus} vCPUs each); attach more, "
            "or name a smaller machine_type"
        )
    return None
