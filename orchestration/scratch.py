"""Directories that live as long as the process: what a step writes before the materializer stores it."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from pathlib import Path


def scratch_directory(name: str) -> Path:
    """A new empty directory, removed when the process ends."""
    directory = Path(tempfile.mkdtemp(prefix=f"evergreen-{name.lower()}-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory
