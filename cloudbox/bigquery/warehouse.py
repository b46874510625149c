"""The projects: one DuckDB file each, with a schema per dataset and Google's resources as JSON beside the rows.

<home>/bigquery/my-project.duckdb     "news"."articles"     rows of news.articles
                                      "_box"."resource"     ("table", "news.articles", {"schema": …, "etag": …})
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import duckdb

from cloudbox.bigquery.failures import invalid, not_found
from cloudbox.bigquery.schemas import quoted

Resource = dict[str, Any]
OWN = "_box"
"""The schema of what is the box's own: resources, and the rows that tables had at moments that queries named."""

_PROJECT = re.compile(r"[a-z][a-z0-9-]{4,61}[a-z0-9]")
_SETTINGS = {"memory_limit": "1GiB", "threads": 2, "autoinstall_known_extensions": False, "TimeZone": "UTC"}


class Warehouse:
    """Open databases and the resources in them; changes go one at a time, readers see whole changes only."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._changing = threading.RLock()
        self._attached: set[str] = set()
        folder.mkdir(parents=True, exist_ok=True)
        config: dict[str, Any] = _SETTINGS | {"temp_directory": str(folder / "spill")}
        self._connection = duckdb.connect(config=config)
        for path in sorted(folder.glob("*.duckdb")):
            self.open_project(path.stem)

    def close(self) -> None:
        """Writes everything to the files and lets go of them."""
        self._connection.close()

    @property
    def projects(self) -> list[str]:
        """Names of the projects that something was asked of."""
        return sorted(self._attached)

    def open_project(self, project: str) -> None:
        """Opens the project's database, made empty at first. Raises BigQueryError for what can be no project."""
        if not _PROJECT.fullmatch(project):
            raise invalid(
                f"Invalid project ID '{project}'. Project IDs must contain 6-63 lowercase letters, digits, or dashes."
            )
        with self._changing:
            if project in self._attached:
                return
            path = str(self._folder / f"{project}.duckdb").replace("'", "''")
            self._connection.execute(f"ATTACH '{path}' AS {quoted(project)}")
            self._connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quoted(project, OWN)}")
            self._connection.execute(
                f"CREATE TABLE IF NOT EXISTS {quoted(project, OWN, 'resource')} "
                "(kind VARCHAR, id VARCHAR, body VARCHAR, PRIMARY KEY (kind, id))"
            )
            self._attached.add(project)

    @contextmanager
    def reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection of the caller's own."""
        cursor = self._connection.cursor()
        try:
            yield cursor
        finally:
            cursor.close()

    @contextmanager
    def changing(self, own: duckdb.DuckDBPyConnection | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection (`own`, where given) in a transaction that is kept whole or not at all; one at a time."""
        with self._changing, nullcontext(own) if own is not None else self.reading() as cursor:
            cursor.begin()
            try:
                yield cursor
            except BaseException:
                cursor.rollback()
                raise
            cursor.commit()

    def find(self, project: str, kind: str, name: str) -> Resource | None:
        """The resource, or None."""
        self.open_project(project)
        with self.reading() as cursor:
            row = cursor.execute(
                f"SELECT body FROM {quoted(project, OWN, 'resource')} WHERE kind = ? AND id = ?", [kind, name]
            ).fetchone()
        return json.loads(row[0]) if row else None

    def get(self, project: str, kind: str, name: str) -> Resource:
        """The resource. Raises BigQueryError where there is none."""
        resource = self.find(project, kind, name)
        if resource is None:
            raise not_found(kind.capitalize(), f"{project}:{name}")
        return resource

    def listed(self, project: str, kind: str, prefix: str = "") -> list[Resource]:
        """The resources whose names start with `prefix`, by name."""
        self.open_project(project)
        with self.reading() as cursor:
            rows = cursor.execute(
                f"SELECT body FROM {quoted(project, OWN, 'resource')} "
                "WHERE kind = ? AND starts_with(id, ?) ORDER BY id",
                [kind, prefix],
            ).fetchall()
        return [json.loads(body) for (body,) in rows]

    def put(self, cursor: duckdb.DuckDBPyConnection, project: str, kind: str, name: str, body: Resource) -> None:
        """Writes the resource within a change."""
        cursor.execute(
            f"INSERT OR REPLACE INTO {quoted(project, OWN, 'resource')} VALUES (?, ?, ?)",
            [kind, name, json.dumps(body)],
        )

    def forget(self, cursor: duckdb.DuckDBPyConnection, project: str, kind: str, name: str) -> None:
        """Removes the resource within a change."""
        cursor.execute(f"DELETE FROM {quoted(project, OWN, 'resource')} WHERE kind = ? AND id = ?", [kind, name])

    def drop_kept(self, cursor: duckdb.DuckDBPyConnection, project: str, beginning: str) -> None:
        """Removes the kept rows whose names begin so, `news.articles@` or `news.`, within a change."""
        kept = cursor.execute(
            "SELECT table_name FROM duckdb_tables() "
            "WHERE database_name = ? AND schema_name = ? AND starts_with(table_name, ?)",
            [project, OWN, beginning],
        ).fetchall()
        for (name,) in kept:
            cursor.execute(f"DROP TABLE {quoted(project, OWN, name)}")
