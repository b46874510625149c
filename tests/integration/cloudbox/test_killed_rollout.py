"""A rollout on Vertex AI that is killed after any of its changes: it serves on, and the next run sets it right."""

import json
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from evergreen.adapters.vertex.settings import VertexHostSettings
from evergreen.core.lease import Claim, Lease
from evergreen.core.lease import Rollout as RolloutNote
from evergreen.core.members import host_of
from evergreen.core.versions import Alias, RecordState
from evergreen.runtime.hold import holder_of
from tests.endpoint_contract import GOOD, deploy, live
from tests.hosted_trial import ROOT, HostedTrial
from tests.mortal_rollout import put_live

pytestmark = pytest.mark.e2e  # minutes on a busy machine

RENEWAL = ["upload", "renew", "switch"]
CHANGES = ["upload", "deploy", "canary", "all traffic", "record", "undeploy"]


@dataclass(frozen=True)
class Rollout:
    """A new version on its way to replace the champion, beside which an older one stands by."""

    trial: HostedTrial
    champion: str
    older: str
    version: str
    model_dir: Path

    @property
    def record(self) -> Path:
        return self.trial.path / "record.json"

    def aliases(self) -> dict[str, str]:
        return dict(json.loads(self.record.read_text(encoding="utf-8")))

    def with_env(self, **env: str) -> VertexHostSettings:
        """The host with another container."""
        return self.trial.host.model_copy(update={"env": {**self.trial.host.env, **env}})

    def killed_after(self, change: str, host: VertexHostSettings | None = None) -> dict[str, int]:
        """The traffic that is left by a rollout that is killed right after the change."""
        return self._killed(host or self.trial.host, self.version, self.model_dir, CHANGES.index(change) + 1)

    def renewal_killed_after(self, change: str, host: VertexHostSettings) -> dict[str, int]:
        """The traffic that is left by a renewal of the champion that is killed right after the change."""
        return self._killed(host, self.champion, self.trial.path / "a", RENEWAL.index(change) + 1)

    def _killed(self, host: VertexHostSettings, version: str, model_dir: Path, number: int) -> dict[str, int]:
        arguments = [host.model_dump_json(), version, model_dir, self.record, number]
        killed = subprocess.run(
            [sys.executable, "-m", "tests.mortal_rollout", *map(str, arguments)], cwd=ROOT, check=False
        )
        assert killed.returncode == -signal.SIGKILL
        assert self.trial.endpoint.predict(GOOD)
        traffic = self.trial.endpoint.status().traffic
        return {version: percent for version, percent in traffic.items() if percent}


@pytest.fixture
def rollout(trial: HostedTrial) -> Rollout:
    champion, older = live(trial, "a"), deploy(trial, "z")
    rollout = Rollout(trial, champion, older, *trial.model("b"))
    rollout.record.write_text(json.dumps({"champion": champion, "previous": older}), encoding="utf-8")
    return rollout


@pytest.mark.parametrize(
    "change",
    [
        change if change in {"canary", "all traffic", "record"} else pytest.param(change, marks=pytest.mark.variants)
        for change in CHANGES
    ],
)
def test_the_next_run_completes_a_rollout_that_was_killed(rollout: Rollout, change: str) -> None:
    champion, version = rollout.champion, rollout.version
    before, after = {champion: 100}, {version: 100}
    split = {"upload": before, "deploy": before, "canary": {champion: 80, version: 20}}.get(change, after)
    assert rollout.killed_after(change) == split

    assert put_live(rollout.trial.host, version, rollout.model_dir, rollout.record).version == version
    assert rollout.aliases() == {"champion": version, "previous": champion}
    assert rollout.trial.endpoint.status().traffic == {champion: 0, version: 100}
    assert rollout.trial.deployed() == sorted([champion, version])


def test_the_next_run_that_keeps_the_champion_takes_the_traffic_from_a_canary_that_was_killed(rollout: Rollout) -> None:
    champion, older = rollout.champion, rollout.older
    assert rollout.killed_after("canary") == {champion: 80, rollout.version: 20}

    assert put_live(rollout.trial.host, champion, rollout.trial.path / "a", rollout.record).version == champion
    assert rollout.aliases() == {"champion": champion, "previous": older}
    assert rollout.trial.endpoint.status().traffic == {champion: 100, older: 0}
    assert rollout.trial.deployed() == sorted([champion, older])


@pytest.fixture
def recorded(rollout: Rollout, zenml_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The champion is that of the record, for who stops a rollout."""
    from orchestration import stopping

    state = RecordState(aliases={Alias.CHAMPION: rollout.champion})
    record = SimpleNamespace(settle=lambda: (state, False), read=lambda: state)
    monkeypatch.setattr(stopping, "ZenmlRecord", lambda _model: record)


@pytest.mark.usefixtures("recorded")
def test_stop_gives_the_traffic_of_a_canary_that_was_killed_back_as_it_was(rollout: Rollout) -> None:
    """Its delivery brought a new container, which the champion does not run and the stop does not start."""
    from orchestration.stopping import stop_runs

    champion, older, host = rollout.champion, rollout.older, rollout.with_env(LC_ALL="C")
    before, store = rollout.trial.endpoint.status(), host_of(host).lease("news", Path())
    claim = Claim(store, "news", holder_of("training-1"))
    assert claim.take(store.read())
    claim.note(RolloutNote(run="training-1", version=rollout.version, champion=champion, before=before))
    claim.release()  # as its process does on SIGTERM
    assert rollout.killed_after("canary", host) == {champion: 80, rollout.version: 20}

    stop = stop_runs("news", host)
    assert stop.runs == ()
    assert stop.put_back == f"the traffic is as before the rollout of {rollout.version}: {{'{champion}': 100}}"
    assert rollout.trial.endpoint.status().traffic == {champion: 100, older: 0}
    assert rollout.trial.deployed() == sorted([champion, older])
    assert store.read().lease == Lease()


@pytest.mark.usefixtures("recorded")
@pytest.mark.parametrize("change", ["renew", "switch"])
def test_stop_undoes_a_renewal_that_was_killed_and_keeps_one_that_was_done(rollout: Rollout, change: str) -> None:
    from orchestration.stopping import stop_runs

    champion, older, host = rollout.champion, rollout.older, rollout.with_env(LC_ALL="C")
    endpoint, store = host_of(host).open("news", Path()), host_of(host).lease("news", Path())
    claim = Claim(store, "news", holder_of("training-1"))
    assert claim.take(store.read())
    claim.note(RolloutNote(run="training-1", version=champion, champion=None, before=endpoint.status()))
    claim.release()
    assert rollout.renewal_killed_after(change, host) == {champion: 100}

    undone = f"version {champion} serves on with older code, its renewal is undone"
    kept = f"version {champion} was renewed, it stays live"
    assert stop_runs("news", host).put_back == (undone if change == "renew" else kept)
    assert endpoint.status().outdated == ((champion,) if change == "renew" else ())
    assert rollout.trial.deployed() == sorted([champion, older])
    assert rollout.trial.endpoint.predict(GOOD)
    assert store.read().lease == Lease()
