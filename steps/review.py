"""A version that the gate let through, published for review before its rollout. Never cached: it reconciles."""

from __future__ import annotations

from typing import Annotated

from zenml import step

from evergreen.adapters.kinds import AnyPublisher
from evergreen.core.artifacts import SourceIdentity
from evergreen.core.decision import PromotionDecision
from evergreen.core.publication import Publication
from orchestration.publication import publish_candidate


@step(enable_cache=False)
def review(
    model_name: str, publisher: AnyPublisher, identity: SourceIdentity, decision: PromotionDecision
) -> Annotated[Publication, "candidate"]:
    """Where the candidate can be read and tried; nothing new where the gate kept it out."""
    return publish_candidate(model_name, publisher, identity, decision)
