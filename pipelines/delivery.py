"""From the decision of a run, which a person approved, to a safe live endpoint."""

from __future__ import annotations

from zenml import pipeline
from zenml.client import Client

from evergreen.adapters.kinds import AnyHost, AnyPublisher
from evergreen.core.alerts import Alerts
from evergreen.core.approval import Approval
from evergreen.core.base import ModelName
from evergreen.core.ramp import Ramp
from orchestration.uploaded_code import check_library
from steps.deploy import deploy
from steps.publish import publish as publish_step


@pipeline(enable_cache=False, on_init=check_library)
def delivery(
    model_name: ModelName,
    host: AnyHost,
    decision: str,
    identity: str,
    rollout: Ramp = Ramp(),
    publish: AnyPublisher | None = None,
    alerts: Alerts = Alerts(),
) -> None:
    """Deploys the version of a decision that was approved, and publishes it where that is asked for; `decision` and
    `identity` are artifacts by id. One that was rejected since stays out.
    """
    decided = Client().get_artifact_version(decision)
    deployment = deploy(model_name, host, decided, rollout, alerts, Approval())
    if publish is not None:
        publish_step(model_name, publish, Client().get_artifact_version(identity), decided, deployment)
