"""What the server reads from elsewhere: the model behind AIP_STORAGE_URI, and what instances only name.

A model is on this machine for as long as it takes to load it.
"""

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


def read_object(address: str, max_bytes: int) -> bytes:
    """The content of a `gs://` address that an instance names.

    Raises:
        EvergreenError: nothing is there, it is larger than `max_bytes`, or it cannot be read.
    """
    from evergreen.adapters.gcs import read_bytes  # brings Google's clients, which no other server needs

    return read_bytes(address, max_bytes)
