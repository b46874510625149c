"""The compiled pipelines that ZenML's Vertex orchestrator leaves on this machine; they hold a token for ZenML.

`<ZenML's configuration>/vertex/<orchestrator>/pipelines/training_0a1b….json`: `ZENML_STORE_API_TOKEN` of every task.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zenml.utils.io_utils import get_global_config_directory

_PLACES = "vertex/*/pipelines/*.json"


@contextmanager
def removing_specifications() -> Iterator[None]:
    """Removes what the block leaves, and what earlier commands left: it was sent, and nobody reads it again."""
    try:
        yield
    finally:
        for file in Path(get_global_config_directory()).glob(_PLACES):
            file.unlink(missing_ok=True)
