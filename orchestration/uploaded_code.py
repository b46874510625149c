"""Images hold dependencies alone: what a task runs is the code that was uploaded with its run, the library's too."""

from __future__ import annotations

from pathlib import Path

import evergreen
from evergreen.core.errors import EvergreenError

ROOT = Path(__file__).resolve().parents[1]


def check_library() -> None:
    """Refuses a library that is not the one beside the steps; each task begins with it.

    Raises:
        EvergreenError: `evergreen` is another one, such as one that is installed in the image.
    """
    imported = Path(evergreen.__file__ or "nowhere").resolve().parents[1]
    if imported != ROOT:
        raise EvergreenError(
            f"evergreen is imported from {imported}, and the code of this run lies in {ROOT}: results would be another "
            "code's; uninstall it there, or build the image anew: infra/pipeline.Dockerfile installs no evergreen "
            "(python run.py images)"
        )
