"""Which vector instructions this machine's processor has: what int8 arithmetic, and with it answers, depend on."""

from __future__ import annotations

from pathlib import Path

INSTRUCTIONS = ("amx_int8", "avx512_vnni", "avx_vnni", "avx512f", "avx2", "asimddp", "asimd")
"""As Linux spells them, those that int8 products prefer first."""
UNKNOWN = "unknown"
_LISTED = Path("/proc/cpuinfo")


def instruction_set(listed: Path = _LISTED) -> str:
    """The first of INSTRUCTIONS that the processor has; UNKNOWN where the system does not list them."""
    try:
        flags = set(listed.read_text(encoding="utf-8").split())
    except OSError:
        return UNKNOWN
    return next((name for name in INSTRUCTIONS if name in flags), UNKNOWN)
