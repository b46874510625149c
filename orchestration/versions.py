"""How a version comes to be candidate; whom it is judged against."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache

from evergreen.adapters.kinds import AnyHost
from evergreen.core.candidates import refusal
from evergreen.core.decision import PromotionDecision, Verdict
from evergreen.core.gate import Gate, decide
from evergreen.core.report import EvaluationReport
from evergreen.core.training import Incumbent
from evergreen.core.versions import Alias, ModelVersion, RecordState, nominate
from evergreen.runtime.asides import beside_the_point
from orchestration.endpoints import lease_of
from orchestration.locks import STEP_WAIT_S, model_lease
from orchestration.mirrors import sync_mirrors
from orchestration.record import ZenmlRecord


def is_recipe_of_champion(recipe: str, record: RecordState) -> bool:
    """Whether the champion comes of this very recipe, so that a run trains nothing new."""
    champion = record.named(Alias.CHAMPION)
    return champion is not None and champion.recipe == recipe


def incumbent_for(recipe: str, record: RecordState) -> Incumbent:
    """Whom a model of this recipe is judged against.

    The champion; but when the champion itself comes of this recipe, whom it was judged against: the run then asks the
    same question again and gets the same answer, from cache.
    """
    champion = record.named(Alias.CHAMPION)
    if champion is not None and is_recipe_of_champion(recipe, record):
        champion = record.find(champion.judged_against)
    if champion is None:
        return Incumbent()
    graphs = {"engines": champion.engines, "report": champion.report} if champion.engines else {}
    return Incumbent(version=champion.version, artifact=champion.artifact, **graphs)


def promote_version(
    model_name: str,
    host: AnyHost,
    gate: Gate,
    version: ModelVersion,
    report: EvaluationReport,
    *,
    completed: Callable[[], ModelVersion],
) -> PromotionDecision:
    """The gate's decision; a promoted version is registered with its evaluation, here and in the mirrors.

    `completed` gives the version with what its files alone tell, such as the examples that it must answer; it is asked
    for when the version is to be registered for the first time, before the lease is taken: files take their time.
    """
    record, completed = ZenmlRecord(model_name), cache(completed)
    state = record.read()
    if _is_new(_decide(state, gate, version, report), state):
        completed()
    with model_lease(lease_of(model_name, host), model_name, version.run, STEP_WAIT_S) as claim:
        state, _ = record.settle()
        decision = _decide(state, gate, version, report)
        if _is_new(decision, state):
            version = completed()  # is complete by now, unless the record changed and with it the decision
        claim.fence()  # reading and deciding took its time
        if decision.verdict is Verdict.PROMOTE or state.find(version.version):
            record.add(version)  # one that is registered takes this run's artifacts where its own are lost
        if decision.verdict is Verdict.PROMOTE:
            record.move(nominate(record.read(), version.version))
        with beside_the_point("what a mirror of the record lacks, which the next run repairs"):
            sync_mirrors(record, host)
        return decision


def _is_new(decision: PromotionDecision, state: RecordState) -> bool:
    """Whether the decision registers its version for the first time."""
    return decision.verdict is Verdict.PROMOTE and state.find(decision.version) is None


def _decide(state: RecordState, gate: Gate, version: ModelVersion, report: EvaluationReport) -> PromotionDecision:
    champion = state.named(Alias.CHAMPION)
    return decide(
        report,
        gate,
        champion.version if champion else None,
        withdrawn=state.withdrawn(version),
        refused=refusal(state, version, datetime.now(UTC)),
        repeats_champion=champion is not None and champion.recipe == version.recipe,
    )
