"""What a schedule of Vertex AI holds of its pipeline, for whoever may read schedules."""

from __future__ import annotations

import json
from typing import Any

from google.cloud import aiplatform_v1
from google.protobuf import json_format


def frozen(schedule: aiplatform_v1.Schedule) -> dict[str, Any]:
    """The environment of each task, and all of the schedule as text."""
    message = json_format.MessageToDict(aiplatform_v1.Schedule.pb(schedule))
    executors = message["createPipelineJobRequest"]["pipelineJob"]["pipelineSpec"]["deploymentSpec"]["executors"]
    environments = [
        {variable["name"]: variable["value"] for variable in task["container"]["env"]} for task in executors.values()
    ]
    return {"environments": environments, "text": json.dumps(message)}
