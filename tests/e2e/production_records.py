"""What ZenML, MLflow and Vertex AI's Model Registry hold of a model, as one JSON object.

`python -m tests.e2e.production_records news`  →  {"status": "completed", "vertex": {"champion": "2"}, …}
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any, cast

import mlflow
from google.cloud import aiplatform
from zenml.client import Client
from zenml.enums import StackComponentType
from zenml.zen_stores.rest_zen_store import RestZenStore


def main(model: str) -> None:
    run = Client().list_pipeline_runs(sort_by="desc:created", size=1, hydrate=True).items[0]
    aiplatform.init(project=os.environ["GOOGLE_CLOUD_PROJECT"], location=os.environ["GOOGLE_CLOUD_REGION"])
    (registered,) = aiplatform.Model.list(filter=f'labels.evergreen_model="{model}"')
    versions = registered.versioning_registry.list_versions()
    tracked = mlflow.search_runs(search_all_experiments=True, output_format="list")
    report = run.steps["evaluate"].outputs["report"][0]
    server = cast(RestZenStore, Client().zen_store)
    page = cast(dict[str, Any], server.get(f"/artifact_versions/{report.id}/visualize", params={"index": 0}))
    records = {
        "status": str(run.status),
        "orchestrator": run.stack.components[StackComponentType.ORCHESTRATOR][0].flavor_name if run.stack else None,
        "steps": {name: str(step.status) for name, step in run.steps.items()},
        "vertex": {alias: one.version_id for one in versions for alias in one.version_aliases or ()},
        "mlflow": dict(mlflow.MlflowClient().get_registered_model(model).aliases),
        "page": page["value"],
        "metrics": sorted({key for one in tracked for key in one.data.metrics}),
    }
    sys.stdout.write(json.dumps(records) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
