"""What the plan names beside the costs that it counts."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

from commands.costs import billed_too
from commands.project import Project
from evergreen.adapters.bigquery.settings import BigQuerySettings
from evergreen.adapters.files.settings import FilesSettings
from evergreen.adapters.local_endpoint.settings import LocalHostSettings
from evergreen.core.members import SourceSettings
from evergreen.preparation import DataflowRunnerSettings, LocalRunnerSettings
from evergreen.preparation.settings import RunnerSettings

COLUMNS = {"text": "text", "label": "label"}
DATAFLOW = DataflowRunnerSettings(project="p", region="r", temp="gs://steps/tmp", image="dataflow:1", max_workers=5)
TABLE = BigQuerySettings(
    project="news-project", location="EU", table="n.a", maximum_bytes_billed=2_500_000_000, columns=COLUMNS
)


def named(source: SourceSettings, runner: RunnerSettings) -> str:
    configuration, prepare = SimpleNamespace(document={}), SimpleNamespace(runner=runner)
    project = SimpleNamespace(configuration=configuration, source=source, host=LocalHostSettings(), prepare=prepare)
    return "\n".join(billed_too(cast(Project, project)))


def test_a_warehouse_is_named_with_the_bytes_that_a_run_may_read_and_dataflow_with_its_machines() -> None:
    text = named(TABLE, DATAFLOW)
    assert "BigQuery: bytes read, at most 2.5 GB a run, and stored" in text
    assert "Dataflow, while `prepare` has new raw data: up to 5 n1-standard-4 with 50 GB each" in text


def test_what_runs_on_this_machine_is_not_named() -> None:
    text = named(FilesSettings(path="news.csv", columns=COLUMNS), LocalRunnerSettings())
    assert "BigQuery" not in text
    assert "Dataflow" not in text
