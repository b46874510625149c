"""A line that a container printed, as the log entry that Cloud Logging makes of it.

{"severity": "INFO", "message": "loaded", "model": "news"} ->
{"logName": "projects/p/logs/aiplatform.googleapis.com%2Fprediction_container", "severity": "INFO", "insertId": "…",
 "jsonPayload": {"message": "loaded", "model": "news"}, "resource": {"type": "aiplatform.googleapis.com/Endpoint", …}}

A line that is no JSON object is the `message` of an entry.
Source: https://cloud.google.com/logging/docs/structured-logging#special-payload-fields
"""

from __future__ import annotations

import datetime
import hashlib
import json
from dataclasses import dataclass
from typing import Any

Entry = dict[str, Any]
LOG_ID = "aiplatform.googleapis.com/prediction_container"
LABELS = "logging.googleapis.com/labels"
SEVERITIES = ("DEFAULT", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "ALERT", "EMERGENCY")
CUT_BYTES = 16 * 1024
"""Container runtimes cut what a container prints into lines of at most so many bytes."""


@dataclass(frozen=True)
class Origin:
    """The container: a deployed model of `endpoint`, a resource name."""

    endpoint: str
    deployed_model: str
    replica: str

    @property
    def resource(self) -> Entry:
        """The monitored resource of its entries."""
        _, project, _, location, _, endpoint = self.endpoint.split("/")
        labels = {"resource_container": f"projects/{project}", "location": location, "endpoint_id": endpoint}
        return {"type": "aiplatform.googleapis.com/Endpoint", "labels": labels}


def entries_of(line: bytes, position: int, origin: Origin) -> list[Entry]:
    """The entries of a line that began at this position of the container's output: several where it is cut."""
    pieces = [line[start : start + CUT_BYTES] for start in range(0, len(line), CUT_BYTES)]
    return [_entry(piece, position + CUT_BYTES * number, origin) for number, piece in enumerate(pieces)]


def _entry(line: bytes, position: int, origin: Origin) -> Entry:
    now = datetime.datetime.now(datetime.UTC).isoformat()
    text = line.decode("utf-8", "replace")
    payload = _payload(text)
    severity = str(payload.pop("severity", "DEFAULT")).upper()
    given = payload.pop(LABELS, {})
    labels = {str(key): str(value) for key, value in given.items()} if isinstance(given, dict) else {}
    project = origin.endpoint.split("/")[1]
    return {
        "logName": f"projects/{project}/logs/{LOG_ID.replace('/', '%2F')}",
        "resource": origin.resource,
        "jsonPayload": payload,
        "timestamp": str(payload.pop("time", now)),
        "receiveTimestamp": now,
        "severity": severity if severity in SEVERITIES else "DEFAULT",
        "insertId": hashlib.sha256(f"{origin.replica} {position}".encode()).hexdigest()[:16],
        "labels": {**labels, "deployed_model_id": origin.deployed_model, "replica_id": origin.replica},
    }


def _payload(text: str) -> Entry:
    try:
        content = json.loads(text)
    except ValueError:
        content = None
    return content if isinstance(content, dict) else {"message": text}


def value_at(entry: Any, path: str) -> Any:
    """The value at `jsonPayload.message`, `resource.labels.endpoint_id` or `log_id`; None when there is none."""
    if path == "log_id":
        return LOG_ID
    value: Any = entry
    for name in path.split("."):
        if not isinstance(value, dict) or name not in value:
            return None
        value = value[name]
    return value
