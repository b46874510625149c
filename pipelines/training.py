"""From rows to a safe live endpoint."""

from __future__ import annotations

from zenml import pipeline
from zenml.config import CachePolicy

from evergreen.adapters.kinds import AnyHost, AnyPublisher, AnySource
from evergreen.core.admission import Admission
from evergreen.core.alerts import Alerts
from evergreen.core.approval import Approval
from evergreen.core.base import ModelName
from evergreen.core.gate import Gate
from evergreen.core.ramp import Ramp
from evergreen.core.refresh import Backfill, Refresh
from evergreen.core.window import Window
from evergreen.data.split_plan import SplitPlan
from evergreen.preparation import Preparation
from evergreen.tasks import AnyTask
from orchestration.uploaded_code import check_library
from steps.deploy import deploy as deploy_step
from steps.evaluate import evaluate
from steps.fetch import fetch
from steps.identify import identify
from steps.prepare import prepare as prepare_step
from steps.promote import promote
from steps.publish import publish as publish_step
from steps.review import review
from steps.split import split as split_step
from steps.train import train
from steps.validate import validate


# `identify` gives the code of each step, imports included
@pipeline(cache_policy=CachePolicy(include_step_code=False), on_init=check_library)
def training(
    model_name: ModelName,
    source: AnySource,
    task: AnyTask,
    host: AnyHost,
    split: SplitPlan = SplitPlan(),
    gate: Gate = Gate(),
    rollout: Ramp = Ramp(),
    engines: Admission = Admission(),
    seed: int = 0,
    window: Window | None = None,
    refresh: Refresh = Refresh(),
    backfill: Backfill | None = None,
    publish: AnyPublisher | None = None,
    prepare: Preparation | None = None,
    alerts: Alerts = Alerts(),
    approval: Approval | None = None,
    deploy: bool = True,
) -> None:
    """Trains, evaluates, gates, registers and deploys one model; `publish` adds its step, and may ask for `review`;
    `prepare` first makes ready what arrived. With `approval` a version waits for a person before it is deployed,
    without `deploy` it is registered alone.
    """
    if prepare is not None:
        prepare_step(prepare, source, task)
    after = ["prepare"] if prepare is not None else None
    identified = identify(model_name, source, task, split, seed, refresh, window, backfill, after=after)
    identity, part, incumbent, start, recipe, *codes = identified
    fetch_code, validate_code, split_code, train_code, evaluate_code = codes
    dataset, coverage = fetch(source, identity, part, fetch_code)
    _, set_aside, class_counts = validate(task, dataset, validate_code)
    splits, held_out = split_step(dataset, split, set_aside, class_counts, part, split_code)
    model, graphs = train(task.for_training(), splits, start, seed, train_code)
    report, reference = evaluate(task, model, graphs, splits, incumbent, engines, evaluate_code)
    decision = promote(
        model_name, host, gate, task, model, graphs, splits, coverage, held_out, report, reference, incumbent, recipe
    )
    reviewed = publish is not None and publish.when == "candidate"
    if reviewed:
        review(model_name, publish, identity, decision)
    reviews = ["review"] if reviewed else None
    deployment = deploy_step(model_name, host, decision, rollout, alerts, approval, deploy, after=reviews)
    if publish is not None:
        publish_step(model_name, publish, identity, decision, deployment)
