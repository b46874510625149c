"""What the containers of an endpoint noted, read from the table that a log sink of Cloud Logging fills.

projects/my-project/logs/aiplatform.googleapis.com%2Fprediction_container
-> my-project.requests.aiplatform_googleapis_com_prediction_container, partitioned by `timestamp`

A row is there some seconds after its answer, as Cloud Logging moves it.
Source: https://cloud.google.com/logging/docs/export/bigquery
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from evergreen.adapters.bigquery.query import Query
from evergreen.adapters.bigquery.settings import TableId
from evergreen.adapters.bigquery.warehouse import BigQueryWarehouse
from evergreen.adapters.vertex.settings import VertexLog
from evergreen.core.artifacts import ResolvedWindow
from evergreen.requestlog.record import MARK

if TYPE_CHECKING:
    import pyarrow as pa

SINK = "evergreen-requests"
TABLE = "aiplatform_googleapis_com_prediction_container"
LOG_FILTER = f'log_id("aiplatform.googleapis.com/prediction_container") AND jsonPayload.message:"{MARK}"'
STREAMS = 4
LATE_S = 180.0
"""How long Cloud Logging and its sink may take to bring a line into the table."""
LATE = timedelta(minutes=15)
"""How long after a request came its line may be printed: it was answered first."""
LINES = (
    "SELECT jsonPayload.message AS line FROM {table} "
    "WHERE timestamp >= @window_start AND timestamp < @printed_by "
    "AND resource.labels.endpoint_id = '{endpoint}' AND STRPOS(jsonPayload.message, '{mark}') > 0"
)


@dataclass(frozen=True)
class CloudRequestLog:
    """The `RequestLog` of one endpoint, whose id the entries name; probe endpoints have others."""

    project: str
    log: VertexLog
    endpoint_id: str
    deadline_s: float
    late_s: float = LATE_S

    def read(self, window: ResolvedWindow) -> CloudRows:
        """The rows of requests that came in the window."""
        return CloudRows(self, window)

    @property
    def keeps_inputs(self) -> bool:
        """Whether a hook is configured."""
        return self.log.inputs is not None

    @property
    def table(self) -> TableId:
        """What the sink fills."""
        project, _, dataset = self.log.dataset.partition(".")
        return TableId(project, dataset, TABLE)


class CloudRows:
    """The rows; `skipped` counts lines that are none once all are read."""

    def __init__(self, log: CloudRequestLog, window: ResolvedWindow) -> None:
        self.skipped = 0
        self._log = log
        self._window = window

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Batches of at most some thousand rows, in no order of time.

        Raises:
            InputError: the table cannot be read, or holds more bytes of the window than may be.
        """
        from evergreen.requestlog.arrow import Batches, within

        batches = Batches(self._lines())
        for batch in batches:
            if (wanted := within(batch, self._window)).num_rows:
                yield wanted
        self.skipped = batches.skipped

    def _lines(self) -> Iterator[str]:
        given = self._log
        warehouse = BigQueryWarehouse(given.project, given.log.location, {}, given.deadline_s)
        parameters = {
            "window_start": ("TIMESTAMP", self._window.start),
            "printed_by": ("TIMESTAMP", self._window.end + LATE),
        }
        query = Query(LINES.format(table=given.table.quoted, mark=MARK, endpoint=given.endpoint_id), parameters)
        for batch in warehouse.rows(query, f"the request log in {given.table}", given.log.most_bytes_read, STREAMS):
            yield from batch.column("line").to_pylist()
