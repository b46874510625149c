"""The promoted version behind the endpoint, or the champion healed. Never cached: it reconciles."""

from __future__ import annotations

from typing import Annotated

from zenml import get_step_context, log_metadata, step
from zenml.models import PipelineRunResponse

from evergreen.adapters.kinds import AnyHost
from evergreen.core.alerts import Alert, Alerts
from evergreen.core.approval import Approval
from evergreen.core.decision import PromotionDecision
from evergreen.core.deployment import Deployment
from evergreen.core.ramp import Ramp
from evergreen.runtime.asides import beside_the_point
from orchestration.alerting import run_link, tell
from orchestration.approval import register_only
from orchestration.command_lines import answer_commands, model_arguments
from orchestration.deployment import deploy_decision
from orchestration.runs import OUTCOME_KEY, configuration_of
from orchestration.tracking import track_rollout


@step(enable_cache=False, experiment_tracker=True)
def deploy(
    model_name: str,
    host: AnyHost,
    decision: PromotionDecision,
    rollout: Ramp,
    alerts: Alerts,
    approval: Approval | None = None,
    deploys: bool = True,
) -> Annotated[Deployment, "deployment"]:
    """What the endpoint serves now; it is never without a model on the way. A rollout that went back is an alert, and a
    champion that could not be healed, and a version that waits for a person.
    """
    run = get_step_context().pipeline_run
    if deploys:
        deployment = deploy_decision(model_name, host, decision, rollout, run.name, approval=approval)
    else:
        deployment = register_only(model_name, host, decision, run.name, approval)
    track_rollout(deployment)
    with beside_the_point("the outcome beside the run"):  # the endpoint is as it is, whatever ZenML says
        log_metadata({OUTCOME_KEY: deployment.outcome})
    with beside_the_point("what a person is told of the deployment"):
        if news := _news(model_name, decision, deployment, approval, run):
            tell(model_name, alerts, [news])
    return deployment


def _news(
    model_name: str,
    decision: PromotionDecision,
    deployment: Deployment,
    approval: Approval | None,
    run: PipelineRunResponse,
) -> Alert | None:
    """What of a deployment a person is told; None: nothing."""
    if deployment.outcome == "rolled_back":
        return _rollback_news(model_name, decision, deployment, run_link())
    if waits_for_a_person(deployment, approval):
        return _approval_news(model_name, decision.version, deployment, run)
    return None


def waits_for_a_person(deployment: Deployment, approval: Approval | None) -> bool:
    """Whether a version waits for a person, within the time that `approval` gives; one that is registered without it
    may wait for ever, and is no news.
    """
    return deployment.outcome == "waiting" or (deployment.outcome == "registered" and approval is not None)


def _approval_news(model_name: str, version: str, deployment: Deployment, run: PipelineRunResponse) -> Alert:
    """That the version waits, until when, and how to answer; the same news as long as it is the same version."""
    return Alert(
        model=model_name,
        kind="approval",
        key=version,
        title=f"version {version} waits for a person",
        text=deployment.message,
        commands=answer_commands(version, model_arguments(configuration_of(run), model_name)),
        link=run_link(),
    )


def _rollback_news(model_name: str, decision: PromotionDecision, deployment: Deployment, link: str | None) -> Alert:
    """Of a version whose rollout was begun that it went back, else that the champion does not serve as it should: one
    that waits for a person was not rolled out.
    """
    promoted = deployment.tried not in (None, decision.champion)
    healed = "the endpoint could not be brought back to its champion"
    return Alert(
        model=model_name,
        kind="rollback",
        key=str(deployment.tried if promoted else decision.champion),
        title=f"the rollout of version {deployment.tried} was rolled back" if promoted else healed,
        text=deployment.message,
        link=link,
    )
