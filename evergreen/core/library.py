"""The files of this very library, for whoever gets a copy: a Space, a worker of Dataflow."""

from __future__ import annotations

from pathlib import Path

LIBRARY = Path(__file__).resolve().parents[1]
PARTS = {".py", ".html", ".css", ".md"}
"""By their ends; what else lies in the folder is nobody's business."""


def library_files() -> dict[str, Path]:
    """Every file by its path in a copy, such as `evergreen/core/library.py`, in order."""
    return {
        path.relative_to(LIBRARY.parent).as_posix(): path
        for path in sorted(LIBRARY.rglob("*"))
        if path.suffix in PARTS and not any(part.startswith((".", "__pycache__")) for part in path.parts[-3:])
    }
