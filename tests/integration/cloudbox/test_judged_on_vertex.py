"""A ramp on Vertex AI that is judged by what a log sink brought into BigQuery: a good newcomer goes all the way, one
that fails is taken back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from cloudbox.box import Box
from evergreen.adapters.vertex.endpoint import VertexEndpoint
from evergreen.adapters.vertex.host import VertexHost
from evergreen.adapters.vertex.request_log import CloudRequestLog
from evergreen.adapters.vertex.settings import VertexHostSettings, VertexLog
from evergreen.core.artifacts import ResolvedWindow
from evergreen.core.deployment import Deployment, Transition
from evergreen.core.errors import EvergreenError
from evergreen.core.judge.settings import Expected, Judge
from evergreen.core.judging import Judging
from evergreen.core.ramp import Ramp
from evergreen.core.replay import Replay
from evergreen.core.rollout import Release, roll_out
from evergreen.requestlog.evidence import LogWitness
from tests.clients import Clients
from tests.hosted_trial import BUCKET, ROOT, host_in
from tests.keyword_model import write_keyword_model
from tests.log_sink import make_sink
from tests.noted import rows

pytestmark = [
    pytest.mark.timeout(600),
    pytest.mark.filterwarnings("ignore:Retrieving Arrow record batches directly:PendingDeprecationWarning"),
]
MINUTE_S, LATE_S = 3.0, 3.0
"""A log of the box has a row within a second."""
SHARE = 40
RULES = Judge(latency="dry_run", min_requests=40, settle_s=1, max_hold_s=240, on_inconclusive="roll_back")
EXPECTED = Expected(shares={"sport": 0.5, "business": 0.5})
TEXTS = ("a late goal in the match", "stocks of the bank")
SMOKE = [{"text": "a late goal 1"}]


@dataclass(frozen=True)
class Ramped:
    """An endpoint whose `champion` has all the traffic."""

    host: VertexHostSettings
    path: Path
    champion: str

    @property
    def endpoint(self) -> VertexEndpoint:
        return VertexEndpoint(self.host, "news")

    @property
    def log(self) -> CloudRequestLog:
        found = VertexHost(self.host).request_log("news", self.path)
        assert isinstance(found, CloudRequestLog)
        return replace(found, late_s=LATE_S)

    def run(self, name: str) -> tuple[str, Deployment]:
        """A newcomer with the fault of this name, and what became of it."""
        newcomer = write_keyword_model(self.path / name, name=name)
        witness = LogWitness(self.log, every_s=MINUTE_S)
        release = Release(
            model="news",
            version=newcomer.version,
            fetch=lambda: newcomer.path,
            smoke=SMOKE,
            ramp=Ramp(shares=(SHARE,), hold_s=2, judge=RULES),
            champion=self.champion,
            judging=Judging(RULES, self.champion, witness, lambda: Replay(SMOKE, "1 kept row"), EXPECTED),
        )
        return newcomer.version, roll_out(self.endpoint, release, self.champion, lambda: None)

    def answered(self, share: Transition) -> Counter[str]:
        """How many requests of a share each version answered, as noted."""
        assert share.until is not None
        return Counter(row["version"] for row in rows(self.log, ResolvedWindow(start=share.since, end=share.until)))


class Asking(Clients):
    """Asks the endpoint; `failed` counts answers that were none."""

    def __init__(self, endpoint: VertexEndpoint) -> None:
        super().__init__(pause_s=0.02)
        self.failed = 0
        self._endpoint = endpoint

    def ask(self, number: int) -> None:
        """One text."""
        try:
            self._endpoint.predict([{"text": f"{TEXTS[number % 2]} {number}"}])
        except EvergreenError:
            self.failed += 1


@pytest.fixture(scope="module")
def ramped(led: Box, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ramped]:
    path, log = tmp_path_factory.mktemp("judged"), VertexLog(dataset=f"{led.project}.requests")
    make_sink(*log.dataset.split("."))
    command, env = ("python", "-m", "tests.faulty_model"), {"PYTHONPATH": str(ROOT)}
    host = host_in(led, staging=f"gs://{BUCKET}/judged", command=command, env=env, log=log, startup_timeout_s=300)
    champion = write_keyword_model(path / "champion", name="champion")
    endpoint = VertexEndpoint(host, "news")
    endpoint.upload(champion.version, champion.path)
    endpoint.deploy(champion.version)
    endpoint.set_traffic({champion.version: 100})
    yield Ramped(host, path, champion.version)
    endpoint.delete()


def test_a_newcomer_that_fails_is_taken_back(ramped: Ramped) -> None:
    with Asking(ramped.endpoint) as clients:
        _, deployment = ramped.run("failing")
    assert deployment.outcome == "rolled_back", deployment.message
    assert deployment.traffic == {ramped.champion: 100}
    assert f"the judge takes it back at {SHARE} % of the traffic: the newcomer is worse" in deployment.message
    assert "errors: " in deployment.message
    assert [share.by for share in deployment.transitions] == ["requests"]
    assert clients.failed > 0


def test_a_good_newcomer_gets_its_share_and_then_all_the_traffic(ramped: Ramped) -> None:
    with Asking(ramped.endpoint) as clients:
        version, deployment = ramped.run("good")
    assert (deployment.outcome, deployment.traffic) == ("live", {ramped.champion: 0, version: 100}), deployment.message
    (share,) = deployment.transitions
    assert (share.share, share.by) == (SHARE, "requests")
    assert share.judgement is not None
    assert share.judgement.newcomer_requests >= RULES.min_requests
    answered = ramped.answered(share)
    requests = answered.total()
    assert abs(answered[version] / requests - SHARE / 100) < 5 * (0.25 / requests) ** 0.5
    assert answered.keys() == {ramped.champion, version}
    assert clients.failed == 0
