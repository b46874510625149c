"""Endpoints on the box's Vertex AI, each in an environment of its own, with servers that a test can kill for good."""

import itertools
from pathlib import Path

import gcsfs

from cloudbox.box import Box
from evergreen.adapters.vertex.clients import Clients
from evergreen.adapters.vertex.endpoint import VertexEndpoint
from evergreen.adapters.vertex.registry import ModelRegistry
from evergreen.adapters.vertex.resource import EndpointResource
from evergreen.adapters.vertex.settings import VertexHostSettings
from tests import mortal_model
from tests.keyword_model import write_keyword_model
from tests.waiting import wait_until

BUCKET = "staging-bucket"
ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENTS = (f"trial-{number}" for number in itertools.count())


def host_in(box: Box, **changes: object) -> VertexHostSettings:
    """A host of the box's project in an environment that no other host has."""
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
    return VertexHostSettings.model_validate(settings)


class HostedTrial:
    """What the endpoint contract asks for, on Vertex AI."""

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
        self.endpoint = VertexEndpoint(self.host, "news")

    def model(self, name: str, broken: bool = False) -> tuple[str, Path]:
        trained = write_keyword_model(self.path / name, name=name, broken=broken)
        return trained.version, trained.path

    def spoil(self, version: str, spoilt: bool = True) -> None:
        content = f"{self.host.staging}/news/{version}/task.json"
        files = gcsfs.GCSFileSystem(skip_instance_cache=True, use_listings_cache=False)
        files.mv(content, f"{content}.aside") if spoilt else files.mv(f"{content}.aside", content)

    def die(self) -> None:
        mortal_model.kill_all(self.servers)
        wait_until(lambda: self.endpoint.status().ready == (), timeout_s=30)

    def holds(self, version: str) -> bool:
        """Whether the Model Registry has the version."""
        return ModelRegistry(Clients(self.host), "news").find(version) is not None

    def deployed(self) -> list[str]:
        """Versions, once for each deployed model of the live and the probe endpoint."""
        clients = Clients(self.host)
        by_role = [EndpointResource(clients, "news", role).running() for role in ("live", "probe")]
        return sorted(deployed.version for running in by_role for deployed in running)


def with_env(trial: HostedTrial, **env: str) -> VertexEndpoint:
    """The trial's endpoint with further variables in its containers."""
    return VertexEndpoint(trial.host.model_copy(update={"env": {**trial.host.env, **env}}), "news")
