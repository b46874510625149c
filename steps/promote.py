"""The gate's decision; a version that passes is registered as candidate. Never cached: it reconciles."""

from __future__ import annotations

from typing import Annotated

from zenml import get_step_context, step

from evergreen.adapters.kinds import AnyHost
from evergreen.core.artifacts import HeldOut, Splits, TrainedModel
from evergreen.core.baselines import leader_sentence
from evergreen.core.coverage import Coverage
from evergreen.core.decision import PromotionDecision
from evergreen.core.engines import Engines
from evergreen.core.gate import Gate
from evergreen.core.members import servable
from evergreen.core.report import EvaluationReport
from evergreen.core.training import Incumbent
from evergreen.core.versions import ModelVersion
from evergreen.monitoring.reference import Reference
from evergreen.tasks import AnyTask
from evergreen.tasks.model_directory import required
from orchestration.mirrors import tracking_uri
from orchestration.training_run import discard_checkpoints, send_notes
from orchestration.versions import promote_version


@step(enable_cache=False, experiment_tracker=True)
def promote(
    model_name: str,
    host: AnyHost,
    gate: Gate,
    task: AnyTask,
    model: TrainedModel,
    engines: Engines,  # noqa: ARG001 - recorded by its artifact
    splits: Splits,
    coverage: Coverage,
    held_out: HeldOut,
    report: EvaluationReport,
    reference: Reference,
    incumbent: Incumbent,
    recipe: str,
) -> Annotated[PromotionDecision, "decision"]:
    """Promote or keep, with every reason."""
    if send_notes(model, tracking_uri()):
        discard_checkpoints(model)
    context = get_step_context()
    version = ModelVersion(
        version=model.version,
        artifact=str(context.inputs["model"][0].id),
        report=str(context.inputs["report"][0].id),
        engines=str(context.inputs["engines"][0].id),
        recipe=recipe,
        run=context.pipeline_run.name,
        judged_against=incumbent.version,
        metrics={name: metric.value for name, metric in report.metrics.items()},
        examples=(),
        leader=leader_sentence(report),
        coverage=str(context.inputs["coverage"][0].id) if coverage.spans else None,
        held_out=str(context.inputs["held_out"][0].id) if held_out.manifest.rows else None,
        reference=str(context.inputs["reference"][0].id) if reference.manifest.rows else None,
    )

    def completed() -> ModelVersion:
        examples = tuple(servable(task).examples(splits))
        return version.model_copy(update={"examples": examples, "requires": required(model.path)})

    return promote_version(model_name, host, gate, version, report, completed=completed)
