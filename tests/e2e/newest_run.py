"""How the steps of the newest run ended, and which rows are in its splits, as one JSON object.

`python -m tests.e2e.newest_run`  →  {"steps": {"prepare": "completed", …}, "splits": {"train": ["a.tfrec:1", …], …}}
"""

from __future__ import annotations

import json
import sys

from zenml.client import Client

from evergreen.core.artifacts import SplitName, Splits
from tests.rows import rows_of


def main() -> None:
    run = Client().list_pipeline_runs(sort_by="desc:created", size=1, hydrate=True).items[0]
    splits: Splits = run.steps["split"].outputs["splits"][0].load()
    seen = {
        "steps": {name: str(step.status) for name, step in run.steps.items()},
        "splits": {name: [row["id"] for row in rows_of(splits.shards(name))] for name in SplitName.ALL},
    }
    sys.stdout.write(json.dumps(seen) + "\n")


if __name__ == "__main__":
    main()
