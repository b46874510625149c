"""The time of a rollout in which a newcomer without traffic gets copies of requests."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from evergreen.core.deployment import Deployment, EndpointStatus
from evergreen.core.errors import EndpointError, EvergreenError
from evergreen.core.protocols import Endpoint
from evergreen.core.shadow import Shadow, ShadowReport

CHECK_S = 5.0


class ShadowPhase:
    """Has `version` get copies as `plan` says (None: not at all); `report` is what came of them, None before."""

    def __init__(self, endpoint: Endpoint, version: str, plan: Shadow | None) -> None:
        self.report: ShadowReport | None = None
        self._endpoint = endpoint
        self._version = version
        self._plan = plan

    def run(self, check: Callable[[EndpointStatus], None]) -> None:
        """Returns when its time is over, at once where no other version answers requests or it has traffic already.

        `check` raises where a status of the endpoint is not as it should be meanwhile.

        Raises:
            EndpointError: the version stopped answering, or certainly fails too many copies.
        """
        if self._plan is None or not _is_beside(self._endpoint.status(), self._version):
            return
        self._endpoint.shadow(self._version, self._plan)
        try:
            self._watch(self._plan, check)
        finally:
            with suppress(EvergreenError):  # they end by themselves, too
                self._endpoint.shadow(self._version, None)
        if self.report and (reason := self.report.refusal(self._plan)):
            raise EndpointError(reason)

    def told(self, deployment: Deployment) -> Deployment:
        """The deployment with the report."""
        return deployment.model_copy(update={"shadow": self.report})

    def _watch(self, plan: Shadow, check: Callable[[EndpointStatus], None]) -> None:
        until = time.monotonic() + plan.for_s
        while True:
            status = self._endpoint.status()
            self.report = status.shadow or self.report
            check(status)
            if self._version not in status.ready:
                raise EndpointError("it stopped answering while it got copies of requests")
            left = until - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(left, CHECK_S))


def _is_beside(status: EndpointStatus, version: str) -> bool:
    """Whether the version has no traffic, and another one answers requests."""
    shares = {name for name, share in status.traffic.items() if share}
    return version not in shares and bool(shares & set(status.ready))
