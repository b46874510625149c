"""Whoever starts and stops runs in a box, by the words of a module: `python -m MODULE start NAME`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloudbox import environment
from tests.running_box import REPOSITORY, RunningBox


@dataclass(frozen=True)
class Person:
    """With settings and a ZenML of her own, below `folder`."""

    box: RunningBox
    folder: Path
    module: str

    @property
    def variables(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            **environment.client(self.box.box),
            "ZENML_CONFIG_PATH": str(self.folder / "zenml"),
            "ZENML_ANALYTICS_OPT_IN": "false",
            "PYTHONPATH": str(REPOSITORY),
            "PYTHONWARNINGS": "ignore",
        }

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", self.module, *arguments]

    def says(self, *arguments: str) -> str:
        done = subprocess.run(
            self.command(*arguments),
            env=self.variables,
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def state(self, name: str) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self.says("state", name).splitlines()[-1])
        return content

    def starts(self, name: str, *arguments: str) -> subprocess.Popen[str]:
        """The command that waits for a run."""
        return subprocess.Popen(
            self.command("start", name, *arguments),
            env=self.variables,
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
