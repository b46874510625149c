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


def limits(timeout_s: tuple[float, float], repeat_for_s: float) -> dict[str, Any]:
    """Options of a call: how long a connection and its silence may take, and how long transient errors are repeated."""
    from google.cloud.storage.retry import DEFAULT_RETRY

    return {"timeout": timeout_s, "retry": DEFAULT_RETRY.with_timeout(repeat_for_s)}
