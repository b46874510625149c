"""The part of the plan that tells money: each step, a run, a month of the endpoint. Machines of one's own cost nothing.

cost        train       n1-standard-8 + 1 NVIDIA_TESLA_T4      12 min   0.17 USD
            train waits e2-standard-4                          12 min   0.03 USD
            a run                                                       0.42 USD
a night     quiet, as nothing is new: 0.06 USD
            with what is new now: 0.21 USD, on 1,640 rows
            with every row: 0.42 USD, on 12,760 rows
endpoint    n1-standard-4 in us-central1: 159.50 to 638.02 USD a month (1 to 3 replicas, 1 more for rollback)
billed too  the machine of ZenML and MLflow with its disk, snapshots and address, all the time
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from commands.project import Configured, Project
from evergreen.core.cloud import Fleet
from evergreen.core.members import host_of, source_of
from orchestration.costs import (
    HOURS_A_MONTH,
    PROBE_REPLICAS,
    Estimate,
    Prices,
    Task,
    estimate_run,
    load_prices,
)
from orchestration.machines import DEFAULT_SECONDS, measured_rows, measured_seconds, quiet_tasks, tasks_for_rows

if TYPE_CHECKING:
    from orchestration.freshness import RowsToRead

INDENT = " " * 12


def check_budget(project: Project) -> None:
    """Returns when the configuration names no budget, or what it asks for stays within.

    Raises:
        InputError: it would not, or that cannot be told.
    """
    budget = project.configuration.budget
    if budget.run_usd is not None or budget.endpoint_month_usd is not None:
        estimate_of(project, load_prices()).check(budget)


def cost_lines(project: Project, rows: RowsToRead | None = None) -> list[str]:
    """The lines of the plan; none where nothing runs on Google's machines. `rows` are those that a run would read."""
    prices = load_prices()
    estimate = estimate_of(project, prices)
    fleet = fleet_of(project)
    if not estimate.tasks and fleet is None:
        return []
    return [
        *_run_lines(estimate),
        *(_night_lines(project, estimate, prices, rows) if estimate.tasks else ()),
        *(_endpoint_lines(estimate, fleet) if fleet else ()),
        *billed_too(project),
        f"prices      list prices of {prices.as_of}, which change ({prices.sources[0]});",
        f"{INDENT}to be confirmed there: {prices.to_confirm}",
    ]


def run_cost_lines(project: Configured) -> list[str]:
    """Those of a run alone: what its tasks cost, whatever the endpoint does."""
    prices, region = load_prices(), pipeline_region()
    if region is None:
        return []
    tasks = project.tasks(measured_seconds(project.model_name, project.active_stack))
    return [*_run_lines(estimate_run(prices, region, tasks, None)), f"prices      list prices of {prices.as_of}"]


def estimate_of(project: Project, prices: Prices) -> Estimate:
    """What the project's tasks and endpoint would cost on the active stack."""
    region = pipeline_region()
    tasks: list[Task] = []
    if region is not None:
        measured = measured_seconds(project.model_name, project.active_stack)
        tasks = project.tasks(measured)
    return estimate_run(prices, region or "", tasks, fleet_of(project))


def pipeline_region() -> str | None:
    """The region of the active stack's Vertex AI orchestrator; None when steps run elsewhere."""
    from zenml.client import Client
    from zenml.enums import StackComponentType

    orchestrator = Client().active_stack_model.components[StackComponentType.ORCHESTRATOR][0]
    return str(orchestrator.configuration["location"]) if orchestrator.flavor_name == "vertex" else None


def fleet_of(project: Project) -> Fleet | None:
    """The machines of the endpoint, when they are Google's."""
    needs = host_of(project.host).needs()
    return needs.fleet if needs else None


def _run_lines(estimate: Estimate) -> Iterator[str]:
    if not estimate.tasks:
        return
    machines = [str(task.machine) for task, _ in estimate.tasks if not isinstance(task.machine, str)]
    width = max(map(len, machines), default=0)
    names = max(len(task.step) for task, _ in estimate.tasks)
    for number, (task, usd) in enumerate(estimate.tasks):
        machine = "chosen by Vertex AI" if isinstance(task.machine, str) else str(task.machine)
        time = f"{task.seconds / 60:,.1f} min{'' if task.measured else ' *'}"
        cost = "no price" if usd is None else f"{usd:,.2f} USD"
        yield f"{'cost' if number == 0 else '':<12}{task.step:<{names}} {machine:<{width}} {time:>12} {cost:>12}"
    more = " and what has no price" if estimate.unpriced_run else ""
    yield f"{INDENT}{'a run':<{names}} {'':<{width}} {'':>12} {f'{estimate.run_usd:,.2f} USD':>12}{more}"
    yield from (f"{INDENT}{sentence}" for sentence in estimate.unpriced_run)
    for task, _ in estimate.tasks:
        if task.instead:
            yield f"{INDENT}{task.step} on the dearest of the {len(task.instead) + 1} machines that it is tried on"
    if not all(task.measured for task, _ in estimate.tasks):
        yield f"{INDENT}* taken for {DEFAULT_SECONDS / 60:g} minutes: no completed run on this stack tells"


def _night_lines(project: Project, estimate: Estimate, prices: Prices, rows: RowsToRead | None) -> Iterator[str]:
    """What a run costs that trains nothing, one on what is new, and one on all rows, as far as that can be told."""
    tasks, region = [task for task, _ in estimate.tasks], pipeline_region() or ""

    def usd(tasks: list[Task]) -> str:
        return f"{estimate_run(prices, region, tasks, None).run_usd:,.2f} USD"

    yield f"{'a night':<12}quiet, as nothing is new: {usd(quiet_tasks(tasks))}"
    if rows is None or not rows.incremental or rows.identity.rows is None:
        return
    measured = measured_rows(project.model_name, project.active_stack)
    for what, number in ("what is new now", rows.identity.rows), ("every row", _all_rows(project)):
        if number is None:
            continue
        if measured:
            yield f"{INDENT}with {what}: {usd(tasks_for_rows(tasks, number / measured))}, on {number:,} rows"
        else:
            yield f"{INDENT}with {what}, {number:,} rows: as a run above, until one tells how long rows take"


def _all_rows(project: Project) -> int | None:
    """How many rows the source holds, where a warehouse tells that without reading them."""
    source = source_of(project.source)
    return source.identity(None).rows if source.bigquery() else None


def _endpoint_lines(estimate: Estimate, fleet: Fleet) -> Iterator[str]:
    what = f"{fleet.machine} in {fleet.region}"
    if estimate.month is None or estimate.rollout_hour is None:
        yield f"endpoint    {what}: {'; '.join(estimate.unpriced_month)}"
        return
    low, high = estimate.month
    replicas = f"{fleet.min_replicas} to {fleet.max_replicas} replicas, {fleet.min_replicas} more for rollback"
    yield f"endpoint    {what}: {low:,.2f} to {high:,.2f} USD a month of {HOURS_A_MONTH:g} h ({replicas})"
    fewest, most = estimate.rollout_hour
    own = f"{fleet.min_replicas} to {fleet.max_replicas} of the newcomer, as its share takes"
    beside = f"{own}, and {PROBE_REPLICAS} that is asked before it gets traffic"
    yield f"{INDENT}while a rollout goes on {fewest:,.2f} to {most:,.2f} USD an hour more ({beside})"


def billed_too(project: Project) -> Iterator[str]:
    """What is billed and not counted above, as far as the configuration uses it: by size and use, still unknown."""
    document, prepare = project.configuration.document, project.prepare
    operated = any((options or {}).get("step_operator") for options in (document.get("steps") or {}).values())
    workers = prepare.runner.needs() if prepare else None
    read = source_of(project.source).bigquery()
    things = [
        "the machine of ZenML and MLflow with its disk, snapshots and address, all the time",
        f"starting machines and pulling images; disks of tasks{' and of custom jobs, 100 GB each' if operated else ''}",
        *([f"Dataflow, while `prepare` has new raw data: {workers.machines}"] if workers else ()),
        "Cloud Build and Artifact Registry: three images a delivery, kept until a policy removes them",
        "the bucket: data, artifacts of every run, checkpoints, code; network between regions",
        *([f"BigQuery: bytes read, at most {read.most_bytes / 1e9:,.1f} GB a run, and stored"] if read else ()),
        f"Cloud Logging{_logged_words(project)}",
    ]
    yield from (f"{'billed too' if number == 0 else '':<12}{thing}" for number, thing in enumerate(things))


def _logged_words(project: Project) -> str:
    """What of requests is logged."""
    needs = host_of(project.host).needs()
    noted = ", a line a request and its row in BigQuery" if needs and needs.request_log else ""
    return noted + (", and the rows of request logging" if needs and needs.logs_requests else "")
