"""The promoted version behind the endpoint, or the champion healed. Never cached: it reconciles."""

from __future__ import annotations

from typing import Annotated

from zenml import get_step_context, log_metadata, step

from evergreen.adapters.kinds import AnyHost
from evergreen.core.decision import PromotionDecision
from evergreen.core.deployment import Deployment
from evergreen.core.ramp import Ramp
from orchestration.deployment import deploy_decision
from orchestration.runs import OUTCOME_KEY
from orchestration.tracking import track_rollout


@step(enable_cache=False, experiment_tracker=True)
def deploy(
    model_name: str, host: AnyHost, decision: PromotionDecision, rollout: Ramp
) -> Annotated[Deployment, "deployment"]:
    """What the endpoint serves now; it is never without a model on the way."""
    run = get_step_context().pipeline_run.name
    deployment = deploy_decision(model_name, host, decision, rollout, run)
    track_rollout(deployment)
    log_metadata({OUTCOME_KEY: deployment.outcome})
    return deployment
