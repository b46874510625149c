"""Where a sink puts entries in BigQuery: a table named by the log, whose columns are the entries' fields.

aiplatform.googleapis.com/prediction_container -> aiplatform_googleapis_com_prediction_container

The first entry makes the table. Later ones add no column here, as Google's do: what has none is left out.
Source: https://cloud.google.com/logging/docs/export/bigquery
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import httpx

from cloudbox.box import Box
from cloudbox.cloud_logging.entries import LOG_ID, Entry
from cloudbox.ledger.calls import token_of

BIGQUERY = "bigquery.googleapis.com"
TABLE = re.sub(r"\W", "_", LOG_ID)
TIMES = ("timestamp", "receiveTimestamp")
TIMEOUT_S = 20.0


class Dataset:
    """One dataset of the box's BigQuery, written to as the account of Cloud Logging."""

    def __init__(self, box: Box, writer: str) -> None:
        self._box = box
        self._writer = writer

    @cached_property
    def _http(self) -> httpx.Client:
        return httpx.Client(
            base_url=f"https://{self._box.address('bigquery', 'https')}",
            verify=ssl.create_default_context(cafile=str(self._box.home.ca)),
            trust_env=False,
            timeout=TIMEOUT_S,
            headers={"host": BIGQUERY, "authorization": f"Bearer {token_of(self._writer)}"},
        )

    def write(self, project: str, dataset: str, entries: Sequence[Entry]) -> None:
        """Adds the entries to the table, which is made where it is missing.

        Raises:
            httpx.HTTPError: BigQuery does not answer, or refuses; there is no such dataset, say.
        """
        tables = f"/bigquery/v2/projects/{project}/datasets/{dataset}/tables"
        rows = [{"insertId": entry["insertId"], "json": _row(entry)} for entry in entries]
        body = {"rows": rows, "ignoreUnknownValues": True, "skipInvalidRows": True}
        if self._ask("GET", f"{tables}/{TABLE}").status_code == httpx.codes.NOT_FOUND:
            made = {
                "tableReference": {"projectId": project, "datasetId": dataset, "tableId": TABLE},
                "schema": {"fields": _fields(_row(entries[0]))},
                "timePartitioning": {"type": "DAY", "field": "timestamp"},
            }
            self._ask("POST", tables, made).raise_for_status()
        self._ask("POST", f"{tables}/{TABLE}/insertAll", body).raise_for_status()

    def _ask(self, verb: str, path: str, body: Any = None) -> httpx.Response:
        return self._http.request(verb, path, json=body, extensions={"sni_hostname": BIGQUERY})


def _row(value: Any) -> Any:
    """The entry with names that columns may have; numbers of payloads are FLOAT, as Google's sinks have them."""
    if isinstance(value, dict):
        return {re.sub(r"\W", "_", name): _row(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [_row(inner) for inner in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _fields(row: Entry) -> list[dict[str, Any]]:
    return [_field(name, value) for name, value in row.items()]


def _field(name: str, value: Any) -> dict[str, Any]:
    if isinstance(value, list):
        return _field(name, value[0] if value else "") | {"mode": "REPEATED"}
    if isinstance(value, dict):
        return {"name": name, "type": "RECORD", "mode": "NULLABLE", "fields": _fields(value)}
    kind = "BOOLEAN" if isinstance(value, bool) else "FLOAT" if isinstance(value, float) else "STRING"
    return {"name": name, "type": "TIMESTAMP" if name in TIMES else kind, "mode": "NULLABLE"}
