"""What the server reads from elsewhere: the model behind AIP_STORAGE_URI, and what instances only name.

A model is on this machine for as long as it takes to load it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from evergreen.core.errors import InputError
from evergreen.serving.settings import ServerSettings

PICTURE_BUCKETS = "EVERGREEN_PICTURE_BUCKETS"
"""Names the buckets out of which requests may name objects; unset: none. The server's account may read more."""


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
        InputError: nothing is there, it is larger than `max_bytes`, or lies in no bucket of PICTURE_BUCKETS.
        EvergreenError: Cloud Storage does not answer.
    """
    allowed = os.environ.get(PICTURE_BUCKETS, "").replace(",", " ").split()
    if not allowed:
        raise InputError(
            f"no bucket is read here; send base64, or name the bucket in {PICTURE_BUCKETS} (parameters.host.env)"
        )
    if address.removeprefix("gs://").partition("/")[0] not in allowed:
        raise InputError(f"it is in none of the buckets that are read here ({', '.join(allowed)})")
    from evergreen.adapters.gcs import read_bytes  # brings Google's clients, which no other server needs

    return read_bytes(address, max_bytes)
