"""A rollout that is judged by the log of a local endpoint, quickly: its minutes are half a second.

`python -m tests.judged PATH CHAMPION VERSION HOLD_S` rolls a version out, as a process that a test may kill.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from evergreen.adapters.local_endpoint.endpoint import LocalEndpoint
from evergreen.adapters.local_endpoint.host import LocalHost
from evergreen.adapters.local_endpoint.settings import LocalHostSettings
from evergreen.adapters.local_endpoint.state import EndpointFiles
from evergreen.core.deployment import Deployment, Transition
from evergreen.core.fence import FencedEndpoint
from evergreen.core.judge.settings import Expected, Judge
from evergreen.core.judging import Judging
from evergreen.core.lease import Rollout
from evergreen.core.ramp import Ramp
from evergreen.core.replay import Replay
from evergreen.core.rollout import Release, roll_out
from evergreen.requestlog.evidence import LogWitness
from evergreen.requestlog.reading import FolderLog
from evergreen.runtime.hold import Patience, held, holder_of
from tests.faulty_model import COMMAND
from tests.keyword_model import write_keyword_model

HOST = LocalHostSettings(port=0, startup_timeout_s=30, request_timeout_s=20, drain_timeout_s=10, lock_timeout_s=5)
MINUTE_S, LATE_S = 0.5, 0.3
RULES = Judge(min_requests=150, settle_s=0.5, max_hold_s=60, max_slower=1.0, on_inconclusive="roll_back")
EXPECTED = Expected(shares={"sport": 0.5, "business": 0.5})
SMOKE = [{"text": "a late goal 1"}]


@dataclass
class JudgedRollout:
    """The endpoint of model `news` below `path`, whose `champion` has all the traffic."""

    path: Path
    champion: str

    @property
    def endpoint(self) -> LocalEndpoint:
        return LocalHost(HOST, COMMAND).open("news", self.path / "state")

    def model(self, name: str) -> str:
        """The version of a new model that has the fault of this name."""
        trained = write_keyword_model(self.path / name, name=name)
        trained.path.rename(self.path / trained.version)
        return trained.version

    def noted(self) -> Sequence[Transition]:
        """The shares of a rollout that is under way, or was cut off."""
        rollout = LocalHost(HOST).lease("news", self.path / "state").read().lease.rollout
        return rollout.transitions if rollout else ()

    def run(self, version: str, hold_s: float = 0.5, shares: tuple[int, ...] = (20, 50)) -> Deployment:
        """Rolls the version out under the lease, as the step `deploy` does; what was noted of its ramp goes on."""
        store = LocalHost(HOST).lease("news", self.path / "state")
        requests = FolderLog(EndpointFiles((self.path / "state").resolve() / "news").requests, late_s=LATE_S)
        witness = LogWitness(requests, every_s=MINUTE_S)
        judging = Judging(RULES, self.champion, witness, lambda: Replay(SMOKE, "1 kept row"), EXPECTED)
        with held(store, "news", holder_of("deploy"), Patience(30, lambda _: None)) as claim:
            begun = claim.rollout.transitions if claim.rollout else ()
            noted = Rollout(run="deploy", version=version, champion=self.champion, before=self.endpoint.status())
            release = Release(
                model="news",
                version=version,
                fetch=lambda: self.path / version,
                smoke=SMOKE,
                ramp=Ramp(shares=shares, hold_s=hold_s, judge=RULES),
                champion=self.champion,
                judging=judging,
                begun=begun,
                note=lambda shares: claim.note(noted.model_copy(update={"transitions": shares})),
            )
            deployment = roll_out(FencedEndpoint(self.endpoint, claim.fence), release, self.champion, lambda: None)
            claim.note(None)
        return deployment


if __name__ == "__main__":
    path, champion, version, hold_s = sys.argv[1:]
    JudgedRollout(Path(path), champion).run(version, float(hold_s))
