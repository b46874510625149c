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

from tests.log_sink import make_sink

TIMES = ("day", "arrived")


def append(table: str, file: str) -> None:
    """Adds the rows by a load job, which makes a table that is not there."""
    given = json.loads(Path(file).read_text(encoding="utf-8"))
    columns = given["columns"]
    schema = [bigquery.SchemaField(name, "TIMESTAMP" if name in TIMES else "STRING") for name in columns]
    rows = [dict(zip(columns, cells, strict=True)) for cells in given["cells"]]
    job = bigquery.LoadJobConfig(schema=schema, write_disposition=bigquery.WriteDisposition.WRITE_APPEND)
    bigquery.Client().load_table_from_json(rows, table, job_config=job).result()


if __name__ == "__main__":
    verb, *given = sys.argv[1:]
    if verb == "append":
        append(*given)
    else:
        make_sink(os.environ["GOOGLE_CLOUD_PROJECT"], *given)
