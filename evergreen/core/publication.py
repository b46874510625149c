"""What is published of a version, for others to read and try, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from evergreen.core.artifacts import SourceIdentity, TrainedModel
from evergreen.core.base import Frozen
from evergreen.core.decision import PromotionDecision, Verdict
from evergreen.core.deployment import Deployment
from evergreen.core.report import EvaluationReport


class ModelDescription(Frozen):
    """What a task says of its models to a reader: `pipeline_tag` is the Hub's name for the kind of task.

    `library` is the one whose classes load the weights; `origin` says what the training began with.
    """

    pipeline_tag: str
    library: str
    origin: str
    intended_use: str
    limits: tuple[str, ...]


@dataclass(frozen=True)
class Edition:
    """One version with all that its readers are told; `examples` are instances as a client would send them."""

    model_name: str
    model: TrainedModel
    report: EvaluationReport
    data: SourceIdentity
    description: ModelDescription
    examples: Sequence[Mapping[str, Any]]

    @property
    def version(self) -> str:
        """The trained model's content-hash name."""
        return self.model.version


class Publication(Frozen):
    """Where a version can be read: `url` of its revision, `revision` the tag that never moves, `commit` behind it."""

    outcome: Literal["published", "unchanged", "planned", "none"]
    message: str
    version: str | None = None
    url: str | None = None
    revision: str | None = None
    commit: str | None = None
    space_url: str | None = None


Choice = tuple[str | None, str]
"""The version to publish, or None, and why."""


def candidate_to_publish(decision: PromotionDecision) -> Choice:
    """Before the rollout: the version that the gate lets through, or the champion, whose publication may lack some."""
    if decision.verdict is Verdict.PROMOTE or decision.version == decision.champion:
        return decision.version, f"the gate let {decision.version} through"
    return None, f"the gate kept {decision.version} out; nothing new is published"


def live_to_publish(decision: PromotionDecision, deployment: Deployment) -> Choice:
    """After the rollout: the run's own version, when it is live.

    One that was kept out, or rolled back, leaves what is published as it is. A champion that was trained again is
    looked at again, since its publication may lack something.
    """
    if deployment.version == decision.version and deployment.outcome in {"live", "kept"}:
        return deployment.version, f"{deployment.version} is live"
    return None, f"no new version went live ({deployment.outcome.replace('_', ' ')}); nothing new is published"
