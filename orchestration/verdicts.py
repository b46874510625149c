"""What the monitoring pipeline said of a model: its newest verdicts, as artifacts of its runs."""

from __future__ import annotations

from datetime import UTC, datetime

from zenml.client import Client

from evergreen.core.verdict import Verdict
from evergreen.runtime.asides import beside_the_point
from orchestration.artifacts import read_artifact
from orchestration.runs import MONITORING, model_tag

ARTIFACT = "verdict"
"""The output of the monitoring pipeline that a verdict is."""
MOST = 100
"""So many are read at most."""


def newest_verdicts(model: str, count: int, since: datetime | None = None) -> list[Verdict]:
    """The last `count` verdicts on the model, newest first; those alone that were made after `since`.

    One that is lost, or of a form that is read no more, is left out, and told in the log.
    """
    client, count = Client(), min(count, MOST)
    made = f"gte:{since.astimezone(UTC):%Y-%m-%d %H:%M:%S}" if since else None
    runs = client.list_pipeline_runs(
        tags=model_tag(model), pipeline_name=MONITORING, created=made, sort_by="desc:created", size=count, hydrate=False
    )
    if not runs.items:
        return []
    kept = client.list_artifact_versions(
        artifact=ARTIFACT, pipeline_run=[run.id for run in runs.items], sort_by="desc:created", size=count
    )
    verdicts: list[Verdict] = []
    for artifact in kept.items:
        with beside_the_point(f"verdict {artifact.id}"):
            verdicts.append(read_artifact(artifact, Verdict))
    return [verdict for verdict in verdicts if verdict.model == model]
