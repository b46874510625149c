"""A version published, once it is decided that it is one to publish, and noted in the record."""

from __future__ import annotations

from evergreen.adapters.publishers import AnyPublisher
from evergreen.core.artifacts import SourceIdentity, TrainedModel
from evergreen.core.publication import Edition, Publication, version_to_publish
from evergreen.core.reports import Deployment, EvaluationReport, PromotionDecision
from evergreen.tasks import load_task
from orchestration.record import ZenmlRecord, load_artifact

NOTED_AS = "hub"


def publish_decision(
    model_name: str,
    publisher: AnyPublisher,
    identity: SourceIdentity,
    decision: PromotionDecision,
    deployment: Deployment | None,
) -> Publication:
    """What is published now of the version that went live, or of the candidate where there is no deployment yet."""
    name, message = version_to_publish(decision, deployment)
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
        description=load_task(model.path).describe(),
        examples=version.examples,
    )
    publication = publisher.publish(edition)
    if publication.url:
        record.note_mirror(name, NOTED_AS, publication.url)
    return publication
