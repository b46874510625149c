"""The version that went live, published. Never cached: it reconciles."""

from __future__ import annotations

from typing import Annotated

from zenml import step

from evergreen.adapters.kinds import AnyPublisher
from evergreen.core.artifacts import SourceIdentity
from evergreen.core.decision import PromotionDecision
from evergreen.core.deployment import Deployment
from evergreen.core.publication import Publication
from orchestration.publication import publish_live


@step(enable_cache=False)
def publish(
    model_name: str,
    publisher: AnyPublisher,
    identity: SourceIdentity,
    decision: PromotionDecision,
    deployment: Deployment,
) -> Annotated[Publication, "publication"]:
    """Where the version can be read now; nothing new where the gate kept it out or it was rolled back."""
    return publish_live(model_name, publisher, identity, decision, deployment)
