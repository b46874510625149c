"""Google's client of Cloud Storage, asking for nothing beside what it is asked for."""

from __future__ import annotations

import os
from typing import Any

_NO_METADATA = "DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA"
"""Google's own switch. Unset, the client asks for each bucket's metadata, which nobody traces here, and which the
account of a server may not read.
"""


def storage_client(**options: Any) -> Any:
    """A `google.cloud.storage.Client` with these options."""
    os.environ.setdefault(_NO_METADATA, "true")
    from google.cloud.storage import Client

    return Client(**options)
