"""The gate's decision; a version that passes is registered as candidate. Never cached: it reconciles."""

from __future__ import annotations

from typing import Annotated

from zenml import get_step_context, step

from evergreen.core.artifacts import TrainedModel
from evergreen.core.gate import Gate
from evergreen.core.reports import EvaluationReport, Incumbent, PromotionDecision
from orchestration.versions import Candidate, promote_candidate


@step(enable_cache=False, experiment_tracker=True)
def promote(
    model_name: str, gate: Gate, model: TrainedModel, report: EvaluationReport, incumbent: Incumbent, recipe: str
) -> Annotated[PromotionDecision, "decision"]:
    """Promote or keep, with every reason."""
    inputs = get_step_context().inputs
    candidate = Candidate(
        model=model,
        report=report,
        recipe=recipe,
        judged_against=incumbent.version,
        model_artifact=str(inputs["model"][0].id),
        report_artifact=str(inputs["report"][0].id),
    )
    return promote_candidate(model_name, gate, candidate)
