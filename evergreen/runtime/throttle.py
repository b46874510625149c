"""Log lines that callers cause, at most one a second and kind: a storm of bad requests must not fill the disk.

{"event": "refused", "status": 503, "reason": "too many requests wait", "count": 412}
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Hashable, Mapping
from typing import Any

from evergreen.core.limits import LOG_PERIOD_S

KINDS = 50


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
