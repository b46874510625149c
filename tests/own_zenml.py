"""Processes of the checkout with a ZenML of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def python(home: Path, *arguments: str, cwd: Path = ROOT, **variables: str) -> subprocess.CompletedProcess[str]:
    """A finished `python …` whose ZenML configuration is in `home`; `variables` are added to its environment."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ZENML_")}
    environment = {
        **kept,
        "ZENML_CONFIG_PATH": str(home),
        "ZENML_ANALYTICS_OPT_IN": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "ZENML_LOGGING_COLORS_DISABLED": "true",
        "PYTHONPATH": str(ROOT),
        **variables,
    }
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
