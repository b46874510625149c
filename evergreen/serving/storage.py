"""The trained-model directory behind AIP_STORAGE_URI, on this machine for as long as it takes to load it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from evergreen.serving.settings import ServerSettings


@contextmanager
def local_model(settings: ServerSettings) -> Iterator[Path]:
    """The directory: where it is, or a checked copy of what `gs://…` holds, removed once the model is in memory.

    Raises:
        EvergreenError: it is not there, cannot be read, or is damaged.
    """
    if not settings.storage_uri.startswith("gs://"):
        yield settings.model_dir
        return
    from evergreen.adapters.gcs import copy_from  # brings Google's clients, which no other server needs

    with TemporaryDirectory(prefix="model-") as folder:
        yield copy_from(settings.storage_uri, Path(folder))
