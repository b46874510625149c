"""Everything a person asks of a model at a glance."""

from __future__ import annotations

from zenml.utils.dashboard_utils import get_server_dashboard_url

from evergreen.adapters.kinds import AnyHost
from evergreen.core.base import Frozen
from evergreen.core.deployment import EndpointStatus
from evergreen.core.lease import HeldLease
from evergreen.core.versions import Alias, ModelVersion
from evergreen.runtime.asides import beside_the_point
from orchestration.endpoints import lease_of, open_endpoint
from orchestration.firings import LostFiring, lost_firings
from orchestration.mirrors import tracking_address
from orchestration.record import ZenmlRecord
from orchestration.runs import RunSummary, last_runs, report_page


class Status(Frozen):
    """Versions by alias, endpoint, latest runs; `report_page` is the champion's, `mlflow` the tracking address.

    `lease` is who changes versions and traffic now, null when nobody does or it cannot be read. `lost_firings` are
    those of the schedule that became no run. `dashboard` is null while ZenML works on this machine alone, where no
    server shows one.
    """

    model: str
    champion: ModelVersion | None
    previous: ModelVersion | None
    candidate: ModelVersion | None
    endpoint: EndpointStatus
    lease: HeldLease | None
    last_run: RunSummary | None
    runs: tuple[RunSummary, ...]
    lost_firings: tuple[LostFiring, ...]
    report_page: str | None
    mlflow: str | None
    dashboard: str | None


def status_of(model_name: str, host: AnyHost) -> Status:
    """The status of a model; the endpoint is asked itself."""
    state = ZenmlRecord(model_name).read()
    champion = state.named(Alias.CHAMPION)
    runs = last_runs(model_name)
    return Status(
        model=model_name,
        champion=champion,
        previous=state.named(Alias.PREVIOUS),
        candidate=state.named(Alias.CANDIDATE),
        endpoint=open_endpoint(model_name, host).status(),
        lease=_lease(model_name, host),
        last_run=runs[0] if runs else None,
        runs=tuple(runs),
        lost_firings=lost_firings(model_name),
        report_page=report_page(champion.report) if champion else None,
        mlflow=tracking_address(),
        dashboard=get_server_dashboard_url(),
    )


def _lease(model_name: str, host: AnyHost) -> HeldLease | None:
    with beside_the_point("who holds the lease"):
        return lease_of(model_name, host).read().held
    return None
