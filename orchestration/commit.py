"""Which commit the code of a run is of, as far as Git tells."""

from __future__ import annotations

import subprocess
from pathlib import Path

COMMIT_KEY = "commit"
"""In `extra` of a run's configuration, where the command that started it noted it."""
_STATUS = ("status", "--porcelain=v2", "--branch", "--untracked-files=normal")
_HEAD = "# branch.oid "
_NONE_YET = "(initial)"
_TIMEOUT_S = 10.0


def commit_of(checkout: Path) -> str | None:
    """The hash of the checkout's commit, `with changes` behind it where files differ from it or are not in it, ignored
    ones aside; None outside of Git.
    """
    command = ["git", "--no-optional-locks", "-C", str(checkout), *_STATUS]
    try:
        status = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    lines = status.splitlines()
    commit = next((line.removeprefix(_HEAD) for line in lines if line.startswith(_HEAD)), _NONE_YET)
    if commit == _NONE_YET:
        return None
    return f"{commit} with changes" if any(not line.startswith("#") for line in lines) else commit
