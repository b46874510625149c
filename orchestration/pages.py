"""Which page shows which artifact."""

from __future__ import annotations

from functools import singledispatch
from typing import Any, cast

from evergreen.core.artifacts import HISTORY_NAME, ClassCounts, Dataset, HeldOut, SourceIdentity, Splits, TrainedModel
from evergreen.core.batch import BatchReport
from evergreen.core.coverage import Coverage
from evergreen.core.decision import PromotionDecision
from evergreen.core.deployment import Deployment
from evergreen.core.engines import Engines
from evergreen.core.members import TaskSettings
from evergreen.core.part import Part
from evergreen.core.preparation import PreparationReport
from evergreen.core.publication import Publication
from evergreen.core.report import EvaluationReport
from evergreen.core.training import Curves, Incumbent, Start
from evergreen.core.validation import ValidationReport
from evergreen.core.verdict import Verdict
from evergreen.data.shards import first_rows
from evergreen.monitoring.reference import Reference
from evergreen.pages.batch import batch_page
from evergreen.pages.data import (
    class_counts_page,
    coverage_page,
    dataset_page,
    held_out_page,
    identity_page,
    part_page,
    split_page,
    validation_page,
)
from evergreen.pages.engines import engines_page
from evergreen.pages.evaluation import evaluation_page
from evergreen.pages.outcome import decision_page, deployment_page, publication_page
from evergreen.pages.preparation import preparation_page
from evergreen.pages.training import curves_page, incumbent_page, start_page
from evergreen.pages.verdict import reference_page, verdict_page
from evergreen.tasks.kinds import TASKS

SAMPLE_ROWS = 5


@singledispatch
def page_of(artifact: Any) -> str:
    """The HTML page of an artifact.

    Raises:
        TypeError: an artifact type without a page.
    """
    raise TypeError(f"{type(artifact).__name__} has no page; register one in orchestration/pages.py")


page_of.register(PreparationReport, preparation_page)
page_of.register(BatchReport, batch_page)
page_of.register(SourceIdentity, identity_page)
page_of.register(Part, part_page)
page_of.register(Coverage, coverage_page)
page_of.register(Incumbent, incumbent_page)
page_of.register(Start, start_page)
page_of.register(ValidationReport, validation_page)
page_of.register(EvaluationReport, evaluation_page)
page_of.register(PromotionDecision, decision_page)
page_of.register(Deployment, deployment_page)
page_of.register(Publication, publication_page)
page_of.register(Verdict, verdict_page)


@page_of.register
def _(artifact: Dataset) -> str:
    return dataset_page(artifact.manifest, first_rows(artifact.shards, None, SAMPLE_ROWS))


@page_of.register
def _(artifact: ClassCounts) -> str:
    return class_counts_page(artifact.manifest)


@page_of.register
def _(artifact: HeldOut) -> str:
    return held_out_page(artifact.manifest)


@page_of.register
def _(artifact: Splits) -> str:
    return split_page(artifact.manifest)


@page_of.register
def _(artifact: Engines) -> str:
    return engines_page(artifact.manifest)


@page_of.register
def _(artifact: Reference) -> str:
    return reference_page(artifact.manifest.model_dump(exclude={"files"}))


@page_of.register
def _(artifact: TrainedModel) -> str:
    curves = Curves.model_validate_json((artifact.path / HISTORY_NAME).read_text(encoding="utf-8"))
    task = cast("type[TaskSettings]", TASKS.member(str(artifact.manifest.task.get("kind"))))
    return curves_page(curves, artifact.manifest, metrics=task.metrics)
