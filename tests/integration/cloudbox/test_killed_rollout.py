"""A rollout on Vertex AI that is killed after any of its changes: it serves on, and the next run completes it."""

import json
import signal
import subprocess
import sys

import pytest

from tests.endpoint_contract import GOOD, deploy, live
from tests.hosted_trial import ROOT, HostedTrial
from tests.mortal_rollout import put_live

pytestmark = pytest.mark.e2e  # minutes on a busy machine

CHANGES = ["upload", "deploy", "canary", "all traffic", "record", "undeploy"]


@pytest.mark.parametrize("killed_after", range(1, len(CHANGES) + 1), ids=CHANGES)
def test_the_next_run_completes_a_rollout_that_was_killed(trial: HostedTrial, killed_after: int) -> None:
    champion, older = live(trial, "a"), deploy(trial, "z")
    version, model_dir = trial.model("b")
    record = trial.path / "record.json"
    record.write_text(json.dumps({"champion": champion, "previous": older}), encoding="utf-8")

    arguments = [trial.host.model_dump_json(), version, str(model_dir), str(record), str(killed_after)]
    killed = subprocess.run([sys.executable, "-m", "tests.mortal_rollout", *arguments], cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    status = trial.endpoint.status()
    shared = {one: percent for one, percent in status.traffic.items() if percent}
    split = {3: {champion: 80, version: 20}}.get(killed_after, {champion if killed_after < 3 else version: 100})
    assert shared == split
    assert trial.endpoint.predict(GOOD)

    assert put_live(trial.host, version, model_dir, record).version == version
    assert json.loads(record.read_text(encoding="utf-8")) == {"champion": version, "previous": champion}
    assert trial.endpoint.status().traffic == {champion: 0, version: 100}
    assert trial.deployed() == sorted([champion, version])
