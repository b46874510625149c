"""Runs every benchmark, one after the other, each in its own process: `python -m bench`."""

from __future__ import annotations

import subprocess
import sys

BENCHMARKS = (
    "training_speed",
    "pipeline_overhead",
    "door",
    "data_memory",
    "batch_prediction",
    "bigquery_rows",
    "shapes_baselines",
    "look_alikes",
    "image_training_speed",
    "networks",
    "beam_preparation",
    "engines",
    "goodput",
    "serving",
    "coverage",
    "nights",
    "sizes",
)


def main() -> int:
    """The number of benchmarks that missed a limit, as exit code."""
    missed = []
    for name in BENCHMARKS:
        print(f"\n{name}\n{'=' * len(name)}", flush=True)
        if subprocess.run([sys.executable, "-m", f"bench.{name}", "--json"], check=False).returncode:
            missed.append(name)
    print(f"\n{len(BENCHMARKS) - len(missed)} of {len(BENCHMARKS)} hold" + (f", missed: {missed}" if missed else ""))
    return len(missed)


if __name__ == "__main__":
    sys.exit(main())
