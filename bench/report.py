"""What every benchmark prints: a table for a person and, with `--json`, one object as the last line for a machine.

{"name": "data_memory", "ratios": {"fetch": 0.97}, "limits": {"fetch": 0.8}, "holds": true}
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

INSTRUCTIONS = ("amx_int8", "avx512f", "avx2", "asimd")
"""Of a processor, as Linux spells them, the widest first."""


def parse_arguments(description: str) -> bool:
    """Whether the command line asks for JSON."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object in the last line")
    return bool(parser.parse_args().json)


def instruction_set() -> str:
    """The widest vector instructions of this machine; `unknown` where it does not list them."""
    listed = Path("/proc/cpuinfo")
    flags = set(listed.read_text(encoding="utf-8").split()) if listed.is_file() else set()
    return next((name for name in INSTRUCTIONS if name in flags), "unknown")


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Aligned columns, the first to the left and the others to the right."""
    widths = [max(len(row[index]) for row in [header, *rows]) for index in range(len(header))]
    for row in [header, *rows]:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        print("  ".join(cells).rstrip())


def print_result(name: str, ratios: Mapping[str, float], limits: Mapping[str, float], as_json: bool) -> int:
    """Prints each ratio (product over baseline, higher is better) with its limit; returns exit code 0 when all hold.

    A ratio without a limit is information; a limit without a ratio, or with NaN, does not hold.
    """
    reached = {key: ratios.get(key, float("nan")) >= limit for key, limit in limits.items()}
    verdicts = {True: "holds", False: "MISSED", None: ""}
    shown = [
        [key, f"{ratio:.2f}", f"{limits[key]:.2f}" if key in limits else "-", verdicts[reached.get(key)]]
        for key, ratio in ratios.items()
    ]
    print()
    print_table(["ratio", "reached", "at least", ""], shown)
    holds = all(reached.values())
    if as_json:
        rounded = {key: round(ratio, 4) for key, ratio in ratios.items()}
        print(json.dumps({"name": name, "ratios": rounded, "limits": dict(limits), "holds": holds}))
    return 0 if holds else 1
