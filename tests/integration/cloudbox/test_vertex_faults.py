"""What Vertex AI may do to a rollout: transient faults pass unseen, lasting ones leave the champion as it was."""

import pytest

from cloudbox import faults
from cloudbox.box import Box
from evergreen.adapters.vertex.endpoint import HostedEndpoint
from evergreen.core.rollout import roll_out
from tests.endpoint_contract import GOOD, live, never, release
from tests.hosted_trial import HostedTrial


@pytest.mark.parametrize("code", ["UNAVAILABLE", "RESOURCE_EXHAUSTED"])
def test_transient_errors_are_repeated_until_they_pass(box: Box, trial: HostedTrial, code: str) -> None:
    methods = ("ListEndpoints", "CreateEndpoint", "UploadModel", "DeployModel", "GetOperation", "UpdateEndpoint")
    for method in (*methods, "Predict"):
        faults.add(box.home, faults.Fault(kind="error", target=method, code=code, times=1))
    version = live(trial, "a")
    assert trial.endpoint.predict(GOOD)
    assert trial.deployed() == [version]
    assert faults.clear(box.home) == []


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (faults.Fault(kind="quota", target="n1-standard-4"), "quotas are exceeded"),
        (faults.Fault(kind="never-ready", target="news", seconds=1), "never became ready"),
        (faults.Fault(kind="never-ends", target="DeployModel"), "not done within 2 s"),
        (faults.Fault(kind="error", target="DeployModel", code="PERMISSION_DENIED"), "roles/aiplatform.user"),
    ],
    ids=lambda value: value.kind if isinstance(value, faults.Fault) else "",
)
def test_a_lasting_fault_ends_in_one_line_with_the_champion_live(
    box: Box, trial: HostedTrial, fault: faults.Fault, said: str
) -> None:
    champion = live(trial, "a")
    challenger = release(trial, "b")
    hasty = HostedEndpoint(trial.host.model_copy(update={"startup_timeout_s": 2}), "news")
    faults.add(box.home, fault)
    try:
        deployment = roll_out(hasty, challenger, champion, never)
    finally:
        faults.clear(box.home)
    assert (deployment.outcome, deployment.traffic) == ("rolled_back", {champion: 100})
    assert said in deployment.message
    assert trial.deployed() == [champion]


def test_the_run_after_a_failed_rollout_puts_the_version_live(box: Box, trial: HostedTrial) -> None:
    champion, challenger = live(trial, "a"), release(trial, "b")
    faults.add(box.home, faults.Fault(kind="error", target="DeployModel", code="INTERNAL", times=1))
    assert roll_out(trial.endpoint, challenger, champion, never).outcome == "rolled_back"
    assert roll_out(trial.endpoint, challenger, champion, lambda: None).outcome == "live"
    assert trial.deployed() == sorted([champion, challenger.version])
