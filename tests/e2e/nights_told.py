"""What the runs of a model did, oldest first, as one JSON object a line: `python -m tests.e2e.nights_told news`.

{"status": "completed", "words": "20 new to champion 3fa4…; …", "steps": {"fetch": "cached", …}, "outcome": "kept"}

With `--rows` each also tells which rows were new to it, by id.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from zenml.client import Client
from zenml.models import PipelineRunResponse

from evergreen.core.artifacts import REPLAYED, Dataset
from evergreen.data.shards import iter_batches
from orchestration.runs import OUTCOME_KEY, REFRESH_KEY, model_tag


def told(run: PipelineRunResponse, *, with_rows: bool) -> dict[str, Any]:
    steps = run.steps
    noted = {name: steps[name].run_metadata if name in steps else {} for name in ("identify", "deploy")}
    return {
        "name": run.name,
        "status": str(run.status),
        "scheduled": run.schedule is not None,
        "words": noted["identify"].get(REFRESH_KEY),
        "steps": {name: str(step.status) for name, step in steps.items()},
        "outcome": noted["deploy"].get(OUTCOME_KEY),
        "rows": rows_of(run) if with_rows else [],
    }


def rows_of(run: PipelineRunResponse) -> list[str]:
    kept = run.steps["fetch"].outputs.get("dataset") if "fetch" in run.steps else None
    if not kept:  # it was cut off before
        return []
    dataset = kept[0].load()
    assert isinstance(dataset, Dataset)
    columns = [name for name in ("id", REPLAYED) if name in dataset.manifest.columns]
    rows = (row for batch in iter_batches(dataset.shards, columns) for row in batch.to_pylist())
    return [row["id"] for row in rows if not row.get(REPLAYED)]


def main(model: str, *options: str) -> None:
    for run in Client().list_pipeline_runs(tags=model_tag(model), sort_by="asc:created", size=50, hydrate=True).items:
        sys.stdout.write(json.dumps(told(run, with_rows="--rows" in options)) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
