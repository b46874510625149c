"""A run that ends as training does, in the step `deploy`, with what the steps before it would leave. ZenML finds steps
by their names in modules.
"""

from __future__ import annotations

from typing import Annotated

from zenml import pipeline, step

from evergreen.adapters.kinds import AnyHost
from evergreen.core.alerts import Alerts
from evergreen.core.approval import Approval
from evergreen.core.artifacts import SourceIdentity
from evergreen.core.decision import PromotionDecision, Reason, Verdict
from evergreen.core.ramp import AT_ONCE
from steps.deploy import deploy


@step
def identify() -> Annotated[SourceIdentity, "identity"]:
    return SourceIdentity(kind="files", fingerprint="f" * 64, description="rows of a test")


@step
def promote(version: str, champion: str) -> Annotated[PromotionDecision, "decision"]:
    passed = Reason(rule="test rows", passed=True, message="measured on 600 test rows")
    return PromotionDecision(verdict=Verdict.PROMOTE, version=version, champion=champion, reasons=(passed,))


@pipeline(enable_cache=False)
def training(model_name: str, host: AnyHost, version: str, champion: str) -> None:
    identify()
    deploy(model_name, host, promote(version, champion), AT_ONCE, Alerts(), Approval())
