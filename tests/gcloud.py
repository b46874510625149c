"""gcloud's own word on lines that tests find in documentation and findings; nothing is run."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest


def refused_by_gcloud(commands: Sequence[str], folder: Path) -> list[str]:
    """The lines with a command or option that gcloud does not know, with its reason; skips where there is none."""
    gcloud = shutil.which("gcloud")
    if gcloud is None:
        pytest.skip("gcloud is not installed")
    (folder / "commands.json").write_text(
        json.dumps([{"command_string": command} for command in sorted(set(commands))]), "utf-8"
    )
    done = subprocess.run(
        [gcloud, "meta", "lint-gcloud-commands", "--commands-file", str(folder / "commands.json")],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.stdout, done.stderr
    answers = json.loads(done.stdout)
    assert len(answers) == len(set(commands))
    return [f"{answer['command_string']}: {answer['error_message']}" for answer in answers if not answer["success"]]
