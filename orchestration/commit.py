"""Which commit the code of a run is of, as far as Git tells."""

from __future__ import annotations

import subprocess
from pathlib import Path

COMMIT_KEY = "commit"
"""In `extra` of a run's configuration, where the command that started it noted it."""
_DIRTY = "-dirty"
_DESCRIBE = ("describe", "--always", "--abbrev=40", "--exclude=*", f"--dirty={_DIRTY}")
_TIMEOUT_S = 10.0


def commit_of(checkout: Path) -> str | None:
    """The hash of the checkout's commit, `with changes` behind it where tracked files differ; None outside of Git."""
    command = ["git", "--no-optional-locks", "-C", str(checkout), *_DESCRIBE]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{told.removesuffix(_DIRTY)} with changes" if told.endswith(_DIRTY) else told or None
