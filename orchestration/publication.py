"""A version published, for review or once it is live, and noted in the record."""

from __future__ import annotations

from evergreen.adapters.kinds import AnyPublisher
from evergreen.core.artifacts import SourceIdentity, TrainedModel
from evergreen.core.decision import PromotionDecision
from evergreen.core.deployment import Deployment
from evergreen.core.members import presentable, publisher_of
from evergreen.core.publication import Choice, Edition, Publication, candidate_to_publish, live_to_publish
from evergreen.core.report import EvaluationReport
from evergreen.tasks import load_task
from orchestration.artifacts import load_artifact
from orchestration.record import ZenmlRecord

NOTED_AS = "hub"


def publish_candidate(
    model_name: str, publisher: AnyPublisher, identity: SourceIdentity, decision: PromotionDecision
) -> Publication:
    """What is published of a version that the gate let through, before its rollout."""
    return _publish(model_name, publisher, identity, candidate_to_publish(decision), live=False)


def publish_live(
    model_name: str,
    publisher: AnyPublisher,
    identity: SourceIdentity,
    decision: PromotionDecision,
    deployment: Deployment,
) -> Publication:
    """What is published of the version that went live."""
    return _publish(model_name, publisher, identity, live_to_publish(decision, deployment), live=True)


def _publish(
    model_name: str, publisher: AnyPublisher, identity: SourceIdentity, choice: Choice, *, live: bool
) -> Publication:
    name, message = choice
    if name is None:
        return Publication(outcome="none", message=message)
    record = ZenmlRecord(model_name)
    version = record.get(name)
    model = load_artifact(version.artifact, TrainedModel)
    edition = Edition(
        model_name=model_name,
        model=model,
        report=load_artifact(version.report, EvaluationReport),
        data=identity,
        description=presentable(load_task(model.path)).describe(),
        examples=version.examples,
    )
    publication = publisher_of(publisher).publish(edition, live=live)
    if publication.url:
        record.note_mirror(name, NOTED_AS, publication.url)
    return publication
