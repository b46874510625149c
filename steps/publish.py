"""The version that went live, or a candidate for review, published. Never cached: it reconciles.

A pipeline has this step once: behind `deploy`, or, with `when: candidate`, before it and without a deployment.
"""

from __future__ import annotations

from typing import Annotated

from zenml import step

from evergreen.adapters.publishers import AnyPublisher
from evergreen.core.artifacts import SourceIdentity
from evergreen.core.publication import Publication
from evergreen.core.reports import Deployment, PromotionDecision
from orchestration.publication import publish_decision


@step(enable_cache=False)
def publish(
    model_name: str,
    publisher: AnyPublisher,
    identity: SourceIdentity,
    decision: PromotionDecision,
    deployment: Deployment | None = None,
) -> Annotated[Publication, "publication"]:
    """Where the version can be read now; nothing new where the gate kept it out or it was rolled back."""
    return publish_decision(model_name, publisher, identity, decision, deployment)
