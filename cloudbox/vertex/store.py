"""What the service remembers across restarts: one SQLite table of resources, each a protobuf message as JSON.

projects/p/locations/l/endpoints/1 | projects/p/locations/l/endpoints | Endpoint | {"name": …, "displayName": …}
"""

from __future__ import annotations

import datetime
import re
import secrets
import sqlite3
import threading
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf import json_format

from cloudbox.errors import invalid, not_found
from cloudbox.rpc import lag_s, raw

CHANGES = 1000
"""Changes that are remembered, for lists that lag."""
_LOCATION = re.compile(r"projects/[^/]+/locations/[^/]+")


_Row = tuple[int, str, str, str, str]
_ROW = "SELECT rowid, name, collection, kind, body FROM resources"


@dataclass(frozen=True)
class _Change:
    """One change: when (monotonic), of which key, and the row before; None when it was new."""

    moment: float
    key: str
    before: _Row | None


def now() -> datetime.datetime:
    """The time in UTC, as timestamps of resources carry it."""
    return datetime.datetime.now(datetime.UTC)


def new_id() -> str:
    """A fresh identifier in Google's form: up to 19 digits, no leading zero."""
    return str(10**18 + secrets.randbelow(9 * 10**18))


def etag() -> str:
    """A fresh entity tag."""
    return secrets.token_hex(8)


def location_of(name: str) -> str:
    """`projects/P/locations/L` of a resource name or parent. Raises ApiError(INVALID_ARGUMENT) when it has none."""
    match = _LOCATION.match(name)
    if not match:
        raise invalid(f"`{name}` is no resource name; expected projects/PROJECT/locations/LOCATION/…")
    return match.group()


def copy_of(message: Any) -> Any:
    """A message of the same proto-plus type that shares nothing with the given one."""
    return type(message).deserialize(type(message).serialize(message))


class Store:
    """Resources by name. Every reader gets its own copy; change one under `lock` and `put` it back."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.lock = threading.RLock()
        self._changes: deque[_Change] = deque(maxlen=CHANGES)
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS resources (name TEXT PRIMARY KEY, collection TEXT, kind TEXT, body TEXT)"
        )
        self._db.execute("CREATE TABLE IF NOT EXISTS numbers (name TEXT PRIMARY KEY, last INTEGER)")
        self._db.execute("CREATE INDEX IF NOT EXISTS by_collection ON resources (collection)")

    def put(self, message: Any, key: str | None = None) -> None:
        """Write a resource under its name, or under `key` where several share one name (versions of a model)."""
        key = key or message.name
        row = (key, _collection(key), _kind(type(message)), json_format.MessageToJson(raw(message), indent=None))
        with self.lock:
            self._remember(key)
            self._db.execute(
                "INSERT INTO resources VALUES (?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET body = excluded.body", row
            )

    def find(self, kind: Any, key: str) -> Any | None:
        """The resource of this type under this key, or None."""
        with self.lock:
            row = self._db.execute(
                "SELECT body FROM resources WHERE name = ? AND kind = ?", (key, _kind(kind))
            ).fetchone()
        return _message(kind, row[0]) if row else None

    def get(self, kind: Any, key: str) -> Any:
        """The resource of this type under this key. Raises ApiError(NOT_FOUND)."""
        message = self.find(kind, key)
        if message is None:
            raise not_found(_kind(kind), key)
        return message

    def listed(self, kind: Any, collection: str = "") -> list[Any]:
        """Resources of a type, oldest first: of one collection (`…/endpoints`), or all; as they were `lag_s` ago."""
        with self.lock:
            rows = dict[str, _Row]((row[1], row) for row in self._db.execute(f"{_ROW} WHERE kind = ?", (_kind(kind),)))
            since = time.monotonic() - lag_s.get()
            for change in reversed(self._changes):
                if lag_s.get() and change.moment > since:
                    rows.pop(change.key, None)
                    if change.before and change.before[3] == _kind(kind):
                        rows[change.key] = change.before
        return [_message(kind, row[4]) for row in sorted(rows.values()) if collection in ("", row[2])]

    def delete(self, key: str) -> None:
        """Forget a resource."""
        with self.lock:
            self._remember(key)
            self._db.execute("DELETE FROM resources WHERE name = ?", (key,))

    def next_number(self, name: str) -> int:
        """1, 2, 3, … for a name; a number is never given twice."""
        with self.lock:
            self._db.execute(
                "INSERT INTO numbers VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET last = last + 1", (name,)
            )
            return int(self._db.execute("SELECT last FROM numbers WHERE name = ?", (name,)).fetchone()[0])

    def _remember(self, key: str) -> None:
        """Note what is about to change."""
        before = self._db.execute(f"{_ROW} WHERE name = ?", (key,)).fetchone()
        self._changes.append(_Change(time.monotonic(), key, before))

    def close(self) -> None:
        """Close the file."""
        with self.lock:
            self._db.close()


def _collection(key: str) -> str:
    return key.partition("@")[0] if "@" in key else key.rpartition("/")[0]


def _kind(message_type: Any) -> str:
    return str(message_type.__name__)


def _message(kind: Any, body: str) -> Any:
    message = kind()
    json_format.Parse(body, raw(message), ignore_unknown_fields=True)
    return message
