"""Logs of long-running processes: one JSON object a line on stderr.

{"time": "2026-05-04T09:30:00.120Z", "level": "info", "event": "ready", "version": "3f9c…"}
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime


class JsonFormatter(logging.Formatter):
    """A log record as one line of JSON; what was passed as `extra={"fields": {…}}` becomes its keys."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        head = {"time": when.replace("+00:00", "Z"), "level": record.levelname.lower(), "event": record.getMessage()}
        if record.exc_info and record.exc_info[0]:
            head["error"] = record.exc_info[0].__name__
        return json.dumps({**head, **getattr(record, "fields", {})}, ensure_ascii=False, default=str)


def log_json_to_stderr(logger: logging.Logger) -> None:
    """Sends `logger`'s events, and the warnings of every other one, to stderr; for a process's `main` only."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logger.setLevel(logging.INFO)
