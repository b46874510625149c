"""Processes of the checkout with a ZenML of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
TIMEOUT_S = 800


def environment(home: Path, **variables: str) -> dict[str, str]:
    """This process's environment with ZenML's configuration in `home`, nothing of the user's ZenML, and `variables`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ZENML_", "MLFLOW_"))}
    return {
        **kept,
        "ZENML_CONFIG_PATH": str(home),
        "ZENML_ANALYTICS_OPT_IN": "false",
        "ZENML_LOGGING_COLORS_DISABLED": "true",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "HF_HUB_OFFLINE": "1",
        "PYTHONUNBUFFERED": "1",
        **variables,
    }


def python(
    home: Path, *arguments: str, cwd: Path = ROOT, site: str = "", **variables: str
) -> subprocess.CompletedProcess[str]:
    """A finished `python …` whose ZenML configuration is in `home`; `variables` are added to its environment.

    `site` is a folder of further installed packages.
    """
    path = [str(cwd if (cwd / "run.py").exists() else ROOT), *([site] if site else [])]
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=environment(home, PYTHONPATH=os.pathsep.join(path), **variables),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def copy_home(source: Path, home: Path) -> None:
    """ZenML's configuration and database as they are in `source`, whose path its configuration holds; no artifacts."""
    database = Path("local_stores") / "default_zen_store" / "zenml.db"
    (home / database).parent.mkdir(parents=True)
    shutil.copyfile(source / database, home / database)
    written = (source / "config.yaml").read_text(encoding="utf-8")
    (home / "config.yaml").write_text(written.replace(str(source), str(home)), encoding="utf-8")
