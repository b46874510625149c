"""Datasets: `datasets.insert`, `get`, `list`, `patch`, `delete`."""

from __future__ import annotations

import hashlib
import json
import re
import time
from dataclasses import dataclass

from cloudbox.bigquery.failures import BigQueryError, duplicate, invalid, not_found
from cloudbox.bigquery.schemas import quoted
from cloudbox.bigquery.warehouse import Resource, Warehouse

RESULTS = "_box_results"
"""Hidden dataset of a project: what queries answered, for a day."""
DEFAULT_LOCATION = "US"


def now_ms() -> str:
    """Milliseconds since 1970, as Google writes them."""
    return str(time.time_ns() // 1_000_000)


def with_etag(body: Resource) -> Resource:
    """The resource with the checksum of the rest of it."""
    rest = {key: value for key, value in body.items() if key != "etag"}
    return rest | {"etag": hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()[:24]}


def check_etag(body: Resource, expected: str | None) -> None:
    """Raises BigQueryError where a caller's `If-Match` names another state of the resource."""
    if expected not in (None, "*", body["etag"]):
        raise BigQueryError("conditionNotMet", "Precondition check failed.", "If-Match")


def check_name(kind: str, name: str) -> None:
    """Raises BigQueryError for what can name no dataset or table."""
    if not re.fullmatch(r"\w{1,1024}" if kind == "dataset" else r"[\w\- ]{1,1024}", name):
        raise invalid(f'Invalid {kind} ID "{name}". {kind.capitalize()} IDs must be alphanumeric (plus underscores).')


@dataclass(frozen=True)
class Datasets:
    """The datasets of all projects."""

    warehouse: Warehouse

    def get(self, project: str, name: str) -> Resource:
        """The dataset. Raises BigQueryError where there is none."""
        dataset = self.warehouse.find(project, "dataset", name)
        if dataset is None:
            raise not_found("Dataset", f"{project}:{name}")
        return dataset

    def listed(self, project: str) -> list[Resource]:
        """All but hidden ones, by name."""
        return [dataset for dataset in self.warehouse.listed(project, "dataset") if not _name(dataset).startswith("_")]

    def insert(self, project: str, body: Resource) -> Resource:
        """The new dataset. Raises BigQueryError where it is there already."""
        name = body.get("datasetReference", {}).get("datasetId", "")
        check_name("dataset", name)
        if self.warehouse.find(project, "dataset", name):
            raise duplicate("Dataset", f"{project}:{name}")
        made = {
            "kind": "bigquery#dataset",
            "location": DEFAULT_LOCATION,
            **body,
            "id": f"{project}:{name}",
            "datasetReference": {"projectId": project, "datasetId": name},
            "creationTime": now_ms(),
            "lastModifiedTime": now_ms(),
        }
        with self.warehouse.changing() as cursor:
            cursor.execute(f"CREATE SCHEMA {quoted(project, name)}")
            self.warehouse.put(cursor, project, "dataset", name, with_etag(made))
        return with_etag(made)

    def ensure_results(self, project: str, location: str) -> None:
        """Makes the hidden dataset for what queries answer, where it is not there."""
        if not self.warehouse.find(project, "dataset", RESULTS):
            self.insert(project, {"datasetReference": {"datasetId": RESULTS}, "location": location})

    def patch(self, project: str, name: str, body: Resource, expected: str | None) -> Resource:
        """The dataset with the given properties changed; null removes one."""
        dataset = self.get(project, name)
        check_etag(dataset, expected)
        fixed = {key: dataset[key] for key in ("id", "datasetReference", "creationTime", "location", "kind")}
        changed = {key: value for key, value in (dataset | body | fixed).items() if value is not None}
        changed = with_etag(changed | {"lastModifiedTime": now_ms()})
        with self.warehouse.changing() as cursor:
            self.warehouse.put(cursor, project, "dataset", name, changed)
        return changed

    def delete(self, project: str, name: str, contents: bool) -> None:
        """Removes the dataset. Raises BigQueryError where it holds tables and `contents` is False."""
        self.get(project, name)
        tables = self.warehouse.listed(project, "table", f"{name}.")
        if not contents and not all(has_expired(table) for table in tables):
            raise BigQueryError("resourceInUse", f"Dataset {project}:{name} is still in use")
        with self.warehouse.changing() as cursor:
            for table in tables:
                key = f"{name}.{table['tableReference']['tableId']}"
                self.warehouse.forget(cursor, project, "table", key)
                self.warehouse.forget(cursor, project, "history", key)
            self.warehouse.drop_kept(cursor, project, f"{name}.")
            self.warehouse.forget(cursor, project, "dataset", name)
            cursor.execute(f"DROP SCHEMA {quoted(project, name)} CASCADE")


def has_expired(table: Resource) -> bool:
    """Whether the table's time has come: Google shows it no more."""
    expires_ms = int(table.get("expirationTime") or "0")
    return 0 < expires_ms <= time.time() * 1000


def _name(body: Resource) -> str:
    return str(body["datasetReference"]["datasetId"])
