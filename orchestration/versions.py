"""How a version comes to be candidate, champion and previous; the mirrors follow the record."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from zenml import get_step_context
from zenml.client import Client

from evergreen.core.artifacts import TrainedModel
from evergreen.core.gate import Gate, decide
from evergreen.core.reconcile import nominate
from evergreen.core.reports import EvaluationReport, Incumbent, PromotionDecision, Verdict
from evergreen.core.versions import Alias, ModelVersion, RecordState
from orchestration.mirrors import sync_mirrors
from orchestration.record import ZenmlRecord


@dataclass(frozen=True)
class Candidate:
    """A trained and evaluated model that asks to be promoted; artifacts are ids in the ZenML store."""

    model: TrainedModel
    report: EvaluationReport
    recipe: str
    judged_against: str | None
    model_artifact: str
    report_artifact: str


def incumbent_for(recipe: str, record: RecordState) -> Incumbent:
    """Whom a model of this recipe is judged against.

    The champion; but when the champion itself comes of this recipe, whom it was judged against: the run then asks the
    same question again and gets the same answer, from cache.
    """
    champion = record.named(Alias.CHAMPION)
    if champion is not None and champion.recipe == recipe:
        champion = record.find(champion.judged_against)
    return Incumbent(version=champion.version, artifact=champion.artifact) if champion else Incumbent()


def incumbent_model(incumbent: Incumbent) -> TrainedModel | None:
    """The incumbent's trained model, read from the artifact store."""
    if incumbent.artifact is None:
        return None
    model = Client().get_artifact_version(UUID(incumbent.artifact)).load()
    return model if isinstance(model, TrainedModel) else None


def promote_candidate(model_name: str, gate: Gate, candidate: Candidate) -> PromotionDecision:
    """The gate's decision; a promoted version is registered with its evaluation, here and in the mirrors."""
    record = ZenmlRecord(model_name)
    state = record.read()
    version = candidate.model.version
    champion = state.aliases.get(Alias.CHAMPION)
    decision = decide(candidate.report, gate, champion, rolled_back=version in state.rolled_back)
    if decision.verdict is Verdict.PROMOTE:
        record.add(_version(candidate))
        for move in nominate(record.read(), version):
            record.set_alias(move.alias, move.version)
    sync_mirrors(record)
    return decision


def _version(candidate: Candidate) -> ModelVersion:
    return ModelVersion(
        version=candidate.model.version,
        artifact=candidate.model_artifact,
        report=candidate.report_artifact,
        recipe=candidate.recipe,
        run=get_step_context().pipeline_run.name,
        judged_against=candidate.judged_against,
        metrics={name: metric.value for name, metric in candidate.report.metrics.items()},
    )
