"""Rows for a table of BigQuery, and the sink that fills the table of requests, as `docs/production.md` has it made:

python -m tests.e2e.box_tables append news.articles FILE   # {"columns": ["id", …], "cells": [["1-0", …], …]}
python -m tests.e2e.box_tables sink requests
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from google.cloud import bigquery
from google.cloud.logging_v2 import types
from google.cloud.logging_v2.services.config_service_v2 import ConfigServiceV2Client

from evergreen.adapters.vertex.request_log import LOG_FILTER, SINK

TIMES = ("day", "arrived")


def append(table: str, file: str) -> None:
    """Adds the rows by a load job, which makes a table that is not there."""
    given = json.loads(Path(file).read_text(encoding="utf-8"))
    columns = given["columns"]
    schema = [bigquery.SchemaField(name, "TIMESTAMP" if name in TIMES else "STRING") for name in columns]
    rows = [dict(zip(columns, cells, strict=True)) for cells in given["cells"]]
    job = bigquery.LoadJobConfig(schema=schema, write_disposition=bigquery.WriteDisposition.WRITE_APPEND)
    bigquery.Client().load_table_from_json(rows, table, job_config=job).result()


def sink(dataset: str) -> None:
    """The dataset, and what moves into it the lines that containers print of requests."""
    project = os.environ["GOOGLE_CLOUD_PROJECT"]
    bigquery.Client().create_dataset(bigquery.Dataset(f"{project}.{dataset}"))
    made = types.LogSink(
        name=SINK,
        destination=f"bigquery.googleapis.com/projects/{project}/datasets/{dataset}",
        filter=LOG_FILTER,
        bigquery_options={"use_partitioned_tables": True},
    )
    asked = {"parent": f"projects/{project}", "sink": made, "unique_writer_identity": True}
    ConfigServiceV2Client().create_sink(asked)


if __name__ == "__main__":
    verb, *given = sys.argv[1:]
    if verb == "append":
        append(*given)
    else:
        sink(*given)
