"""What one prediction request may hold: one number for the server, the front before it and callers that cut batches."""

from __future__ import annotations

MAX_BODY_BYTES = 10 * 1024 * 1024
MAX_INSTANCES = 1000
