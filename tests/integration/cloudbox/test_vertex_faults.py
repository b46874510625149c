"""What Vertex AI may do to a rollout: transient faults pass unseen, lasting ones leave the champion as it was."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

from cloudbox import faults
from cloudbox.box import Box
from evergreen.adapters.vertex.clients import Clients
from evergreen.adapters.vertex.endpoint import VertexEndpoint
from evergreen.adapters.vertex.names import identity, label_filter
from evergreen.adapters.vertex.registry import ModelRegistry
from evergreen.adapters.vertex.resource import EndpointResource
from evergreen.core.rollout import Release, roll_out
from tests.endpoint_contract import GOOD, live, never, release
from tests.hosted_trial import ROOT, HostedTrial
from tests.keyword_model import write_keyword_model
from tests.waiting import wait_until

pytestmark = pytest.mark.e2e  # minutes on a busy machine
VARIANT = pytest.mark.variants
ROLL_OUT = """
import sys
from pathlib import Path
from evergreen.adapters.vertex.endpoint import VertexEndpoint
from evergreen.adapters.vertex.settings import VertexHostSettings
from evergreen.core.rollout import Release, roll_out
host, version, path, champion = sys.argv[1:]
endpoint = VertexEndpoint(VertexHostSettings.model_validate_json(host), "news")
release = Release(model="news", version=version, fetch=lambda: Path(path), smoke=[{"text": "bank"}])
roll_out(endpoint, release, champion, lambda: None)
"""


@pytest.mark.parametrize("code", ["UNAVAILABLE", pytest.param("RESOURCE_EXHAUSTED", marks=VARIANT)])
def test_transient_errors_are_repeated_until_they_pass(box: Box, trial: HostedTrial, code: str) -> None:
    methods = ("ListEndpoints", "CreateEndpoint", "UploadModel", "DeployModel", "GetOperation", "UpdateEndpoint")
    for method in (*methods, "Predict"):
        faults.add(box.home, faults.Fault(kind="error", target=method, code=code, times=1))
    version = live(trial, "a")
    assert trial.endpoint.predict(GOOD)
    assert trial.deployed() == [version]
    assert faults.clear(box.home) == []


def test_a_deployment_goes_on_while_vertex_ai_cannot_be_asked_about_it(box: Box, trial: HostedTrial) -> None:
    impatient = VertexEndpoint(trial.host.model_copy(update={"retry_timeout_s": 0.2}), "news")
    challenger = release(trial, "a")
    impatient.upload(challenger.version, challenger.fetch())
    # the waits in between grow to 4 s: the failures outlast the time in which any other call is given up
    faults.add(box.home, faults.Fault(kind="error", target="GetOperation", times=4))
    assert roll_out(impatient, challenger, None, lambda: None).outcome == "live"
    assert faults.clear(box.home) == []
    assert trial.deployed() == [challenger.version]


@pytest.mark.parametrize(
    "method",
    [
        "UploadModel",
        "DeployModel",
        *(
            pytest.param(method, marks=VARIANT)
            for method in ("CreateEndpoint", "UpdateEndpoint", "UndeployModel", "DeleteEndpoint")
        ),
    ],
)
def test_what_was_done_though_the_answer_was_lost_is_not_done_twice(box: Box, trial: HostedTrial, method: str) -> None:
    clients = Clients(trial.host)
    faults.add(box.home, faults.Fault(kind="answer-lost", target=method, times=1))
    version = release(trial, "a")
    assert roll_out(trial.endpoint, version, None, lambda: None).outcome == "live"  # it undeploys and deletes its probe
    assert faults.clear(box.home) == []
    assert trial.deployed() == [version.version]
    assert len(ModelRegistry(clients, "news").versions()) == 1
    ours = {"parent": clients.location, "filter": label_filter(identity(trial.host, "news"))}
    assert len(list(clients.endpoints.list_endpoints(request=ours))) == 1


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (faults.Fault(kind="quota", target="n1-standard-4"), "quotas are exceeded"),
        pytest.param(faults.Fault(kind="never-ready", target="news", seconds=1), "never became ready", marks=VARIANT),
        (faults.Fault(kind="never-ends", target="DeployModel"), "not done within 4 s"),
        (faults.Fault(kind="error", target="DeployModel", code="PERMISSION_DENIED"), "roles/aiplatform.user"),
    ],
    ids=lambda value: value.kind if isinstance(value, faults.Fault) else "",
)
def test_a_lasting_fault_ends_in_one_line_with_the_champion_live(
    box: Box, trial: HostedTrial, fault: faults.Fault, said: str
) -> None:
    champion = live(trial, "a")
    challenger = release(trial, "b")
    hasty = VertexEndpoint(trial.host.model_copy(update={"startup_timeout_s": 4}), "news")
    faults.add(box.home, fault)
    try:
        deployment = roll_out(hasty, challenger, champion, never)
    finally:
        faults.clear(box.home)
    assert (deployment.outcome, deployment.traffic) == ("rolled_back", {champion: 100})
    assert said in deployment.message
    assert trial.deployed() == [champion]


@pytest.mark.parametrize("attached", ["while waited for", "later"])
def test_a_deployment_that_goes_on_after_its_cancellation_leaves_nothing_in_the_end(
    box: Box, trial: HostedTrial, attached: str
) -> None:
    champion, third = live(trial, "a"), release(trial, "c")
    loads = trial.path / "loads"
    slow = write_keyword_model(trial.path / "slow", name="slow", loads_after=loads)
    trial.endpoint.upload(slow.version, slow.path)
    in_time = attached == "while waited for"
    hasty = VertexEndpoint(trial.host.model_copy(update={"startup_timeout_s": 8 if in_time else 1}), "news")
    challenger = Release(model="news", version=slow.version, fetch=lambda: slow.path, smoke=GOOD)
    faults.add(box.home, faults.Fault(kind="cancel-ignored", target="DeployModel", times=1))
    with loaded_once_cancelled(box, loads) if in_time else nullcontext():
        deployment = roll_out(hasty, challenger, champion, never)
    loads.touch()
    left = {deployed.version for deployed in EndpointResource(Clients(trial.host), "news", "live").running_when_idle()}
    assert left == ({champion} if in_time else {champion, slow.version})
    assert ("may leave a machine running" in deployment.message) == (not in_time)
    assert roll_out(trial.endpoint, third, champion, lambda: None).outcome == "live"
    assert trial.deployed() == sorted([champion, third.version])
    assert faults.clear(box.home) == []


@contextmanager
def loaded_once_cancelled(box: Box, loads: Path) -> Iterator[None]:
    """Lets the model load as soon as the box has ignored a cancellation."""

    def load() -> None:
        wait_until(lambda: not faults.listed(box.home), timeout_s=60)
        loads.touch()

    with ThreadPoolExecutor(max_workers=1) as beside:
        loading = beside.submit(load)
        yield
    loading.result()


def test_the_run_after_a_failed_rollout_puts_the_version_live(box: Box, trial: HostedTrial) -> None:
    champion, challenger = live(trial, "a"), release(trial, "b")
    faults.add(box.home, faults.Fault(kind="error", target="DeployModel", code="INTERNAL", times=1))
    assert roll_out(trial.endpoint, challenger, champion, never).outcome == "rolled_back"
    assert roll_out(trial.endpoint, challenger, champion, lambda: None).outcome == "live"
    assert trial.deployed() == sorted([champion, challenger.version])


@pytest.mark.parametrize("moment", [pytest.param("uploaded", marks=VARIANT), "probed"])
def test_the_run_after_a_killed_one_adopts_or_removes_what_it_left(trial: HostedTrial, moment: str) -> None:
    champion = live(trial, "a")
    slow = write_keyword_model(trial.path / "slow", name="slow", load_s=1.0)
    reached: dict[str, Callable[[], bool]] = {
        "uploaded": lambda: trial.holds(slow.version),
        "probed": lambda: trial.deployed().count(slow.version) == 2,
    }
    arguments = (trial.host.model_dump_json(), slow.version, str(slow.path), champion)
    run = subprocess.Popen([sys.executable, "-c", ROLL_OUT, *arguments], cwd=ROOT)
    try:
        wait_until(reached[moment], timeout_s=40)
    finally:
        run.kill()
        run.wait()
    assert trial.endpoint.status().traffic[champion] == 100
    again = Release(model="news", version=slow.version, fetch=lambda: slow.path, smoke=GOOD)
    assert roll_out(trial.endpoint, again, champion, lambda: None).outcome == "live"
    assert trial.endpoint.status().traffic == {champion: 0, slow.version: 100}
    assert trial.deployed() == sorted([champion, slow.version])
