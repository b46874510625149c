"""The promoted version behind the endpoint, or the champion healed. Never cached: it reconciles."""

from __future__ import annotations

from typing import Annotated

from zenml import get_step_context, log_metadata, step
from zenml.utils.dashboard_utils import get_run_url

from evergreen.adapters.kinds import AnyHost
from evergreen.core.alerts import Alert, Alerts
from evergreen.core.decision import PromotionDecision
from evergreen.core.deployment import Deployment
from evergreen.core.ramp import Ramp
from orchestration.alerting import alert
from orchestration.deployment import deploy_decision
from orchestration.runs import OUTCOME_KEY


@step(enable_cache=False, experiment_tracker=True)
def deploy(
    model_name: str, host: AnyHost, decision: PromotionDecision, rollout: Ramp, alerts: Alerts
) -> Annotated[Deployment, "deployment"]:
    """What the endpoint serves now; it is never without a model on the way. A rollout that went back is an alert."""
    run = get_step_context().pipeline_run
    deployment = deploy_decision(model_name, host, decision, rollout, run.name)
    log_metadata({OUTCOME_KEY: deployment.outcome})
    if deployment.outcome == "rolled_back":
        news = Alert(
            model=model_name,
            kind="rollback",
            key=decision.version,
            title=f"the rollout of version {decision.version} was rolled back",
            text=deployment.message,
            link=get_run_url(run),
        )
        alert(model_name, alerts, news)
    return deployment
