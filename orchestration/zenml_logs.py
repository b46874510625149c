"""How ZenML's log looks, which is settled before ZenML is imported."""

from __future__ import annotations

import os
import sys


def plain_without_a_terminal() -> None:
    """Keeps colours out of ZenML's log where standard output is no terminal, or NO_COLOR is set."""
    if "NO_COLOR" in os.environ or not sys.stdout.isatty():
        os.environ["ZENML_LOGGING_COLORS_DISABLED"] = os.environ.get("ZENML_LOGGING_COLORS_DISABLED") or "true"
