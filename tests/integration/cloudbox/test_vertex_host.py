"""The Vertex host under the contract of every endpoint, and what only it can meet, with Google's own clients."""

import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import gcsfs
import pytest

from cloudbox.box import Box
from evergreen.adapters.vertex.endpoint import HostedEndpoint
from evergreen.adapters.vertex.host import VertexEndpoint
from tests import mortal_model
from tests.endpoint_contract import EndpointContract
from tests.integration.cloudbox.google import BUCKET, google_in_a_box
from tests.keyword_model import write_keyword_model

ROOT = Path(__file__).parents[3]
ENVIRONMENTS = (f"trial-{number}" for number in itertools.count())
PATIENCE_S = 30.0


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    with google_in_a_box(tmp_path_factory.mktemp("google")) as box:
        yield box


def host_in(box: Box, **changes: object) -> VertexEndpoint:
    settings: dict[str, object] = {
        "project": box.project,
        "region": box.region,
        "staging": f"gs://{BUCKET}/models",
        "image": "serving:test",
        "environment": next(ENVIRONMENTS),
        "startup_timeout_s": 60,
        "request_timeout_s": 20,
        "retry_timeout_s": 3,
        **changes,
    }
    return VertexEndpoint.model_validate(settings)


class HostedTrial:
    """An endpoint in an environment of its own; all trials share the box."""

    def __init__(self, box: Box, path: Path) -> None:
        self.path = path
        self.servers = path / "servers"
        self.servers.mkdir()
        self.host = host_in(
            box,
            staging=f"gs://{BUCKET}/{path.name}",
            command=("python", "-m", "tests.mortal_model"),
            env={"PYTHONPATH": str(ROOT), "MORTAL_FOLDER": str(self.servers)},
        )
        self.endpoint = HostedEndpoint(self.host, "news")

    def model(self, name: str, broken: bool = False) -> tuple[str, Path]:
        trained = write_keyword_model(self.path / name, name=name, broken=broken)
        return trained.version, trained.path

    def spoil(self, version: str, spoilt: bool = True) -> None:
        content = f"{self.host.staging}/news/{version}/task.json"
        files = gcsfs.GCSFileSystem(skip_instance_cache=True, use_listings_cache=False)
        files.mv(content, f"{content}.aside") if spoilt else files.mv(f"{content}.aside", content)

    def die(self) -> None:
        mortal_model.kill_all(self.servers)
        wait_until(lambda: self.endpoint.status().ready == ())


@pytest.fixture
def trial(box: Box, tmp_path: Path) -> Iterator[HostedTrial]:
    trial = HostedTrial(box, tmp_path)
    yield trial
    trial.endpoint.delete()


class TestHostedEndpoint(EndpointContract):
    """The whole contract."""


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.1)
