"""The dataset and the log sink that docs/production.md has made for requests that containers of an endpoint note."""

from __future__ import annotations

from contextlib import suppress

from google.api_core.exceptions import AlreadyExists
from google.cloud import bigquery
from google.cloud.logging_v2 import types
from google.cloud.logging_v2.services.config_service_v2 import ConfigServiceV2Client

from evergreen.adapters.vertex.request_log import LOG_FILTER, SINK


def make_sink(project: str, dataset: str) -> types.LogSink:
    """The sink; what is there already, dataset or sink, is taken."""
    bigquery.Client(project=project).create_dataset(bigquery.Dataset(f"{project}.{dataset}"), exists_ok=True)
    sink = types.LogSink(
        name=SINK,
        destination=f"bigquery.googleapis.com/projects/{project}/datasets/{dataset}",
        filter=LOG_FILTER,
        bigquery_options={"use_partitioned_tables": True},
    )
    asked = {"parent": f"projects/{project}", "sink": sink, "unique_writer_identity": True}
    client = ConfigServiceV2Client()
    with suppress(AlreadyExists):
        client.create_sink(asked)
    return client.get_sink(sink_name=f"projects/{project}/sinks/{SINK}")
