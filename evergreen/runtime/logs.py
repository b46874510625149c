"""Logs of long-running processes: one JSON object a line on stderr; of what callers cause one a second and kind.

{"time": "2026-05-04T09:30:00.120Z", "severity": "INFO", "event": "ready", "version": "3f9c…"}
{"time": "2026-05-04T09:30:01.450Z", "severity": "WARNING", "event": "refused", "status": 429, "count": 412}

`severity` is spelt as Cloud Logging reads it. A storm of bad requests must not fill the disk.
"""

from __future__ import annotations

import asyncio
import copy
import json
import logging
import sys
from collections.abc import Hashable, Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

from evergreen.core.limits import LOG_PERIOD_S

OWN = "evergreen."
MOST_CHARS = 200
KINDS = 50


class JsonFormatter(logging.Formatter):
    """A log record as one line of JSON; what was passed as `extra={"fields": {…}}` becomes its keys."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        head = {"time": when.replace("+00:00", "Z"), "severity": record.levelname, "event": record.getMessage()}
        if record.exc_info and record.exc_info[0]:
            head["error"] = record.exc_info[0].__name__
        return json.dumps({**head, **getattr(record, "fields", {})}, ensure_ascii=False, default=str)


class QuietHandler(logging.StreamHandler[TextIO]):
    """Writes what the project's own loggers say as they say it; lines of libraries lose what may quote a caller.

    Of their warnings comes one a second and logger, for any malformed request causes some of HTTP parsers. Errors come
    all, without the further lines in which asyncio quotes exceptions.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._last: dict[str, float] = {}
        self._dropped: dict[str, int] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Writes the record, or counts it where its logger has written within the second."""
        if record.name.startswith(OWN):
            super().emit(record)
        elif record.levelno > logging.WARNING:
            super().emit(self._bounded(record))
        elif record.created - self._last.get(record.name, 0.0) < LOG_PERIOD_S:
            self._dropped[record.name] = self._dropped.get(record.name, 0) + 1
        else:
            self._last[record.name] = record.created
            super().emit(self._bounded(record))

    def _bounded(self, record: logging.LogRecord) -> logging.LogRecord:
        shorter = copy.copy(record)  # other handlers are given the same record
        shorter.msg, shorter.args = (record.getMessage().splitlines() or [""])[0][:MOST_CHARS], ()
        shorter.fields = {"logger": record.name, "count": 1 + self._dropped.pop(record.name, 0)}
        return shorter


def log_json_to_stderr(logger: logging.Logger) -> None:
    """Sends `logger`'s events, and the warnings of every other one, to stderr; for a process's `main` only."""
    handler = QuietHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logger.setLevel(logging.INFO)


class Throttle:
    """Writes the first event of a kind at once, and what follows within a second as one line with its `count`.

    For use in a running event loop. Beyond `KINDS` kinds within a second, further ones share a line.
    """

    def __init__(self, logger: logging.Logger, level: int = logging.WARNING) -> None:
        self._logger = logger
        self._level = level
        self._pending: dict[Hashable, tuple[str, Mapping[str, Any], int]] = {}

    def log(self, event: str, kind: Hashable, fields: Mapping[str, Any]) -> None:
        """Notes one event of the kind; `fields` of the last one are written."""
        key = (event, kind) if (event, kind) in self._pending or len(self._pending) < KINDS else (event, None)
        if key in self._pending:
            self._pending[key] = (event, fields, self._pending[key][2] + 1)
            return
        self._write(event, fields, 1)
        self._pending[key] = (event, fields, 0)
        asyncio.get_running_loop().call_later(LOG_PERIOD_S, self._flush, key)

    def _flush(self, key: Hashable) -> None:
        event, fields, count = self._pending.pop(key)
        if count:
            self._write(event, fields, count)
            self._pending[key] = (event, fields, 0)
            asyncio.get_running_loop().call_later(LOG_PERIOD_S, self._flush, key)

    def _write(self, event: str, fields: Mapping[str, Any], count: int) -> None:
        self._logger.log(self._level, event, extra={"fields": {**fields, "count": count}})
