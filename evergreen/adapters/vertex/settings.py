"""The configuration of an endpoint on Vertex AI.

host:
  kind: vertex_endpoint
  project: my-project
  region: europe-west4               # europe-wst4 is refused; europe-west13 is not, for Google may have added it
  staging: gs://my-bucket/models
  image: europe-west4-docker.pkg.dev/my-project/evergreen/serving:1.0
  onnx_image: europe-west4-docker.pkg.dev/my-project/evergreen/serving-onnx:1.0
  machine_type: n1-standard-4
  max_replicas: 4
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from evergreen.adapters.vertex.regions import check_region
from evergreen.core.base import Frozen, ModelName
from evergreen.core.members import HostSettings
from evergreen.core.names import LABEL_KEY, LABEL_VALUE, written_as
from evergreen.requestlog.settings import LogSettings

LabelKey = Annotated[str, AfterValidator(LABEL_KEY.check)]
LabelValue = Annotated[str, AfterValidator(LABEL_VALUE.check)]
DEDICATED_BYTES, SHARED_BYTES = 9_500_000, 1_400_000
"""Of the 10 MB and the 1.5 MB that Google takes for a request, powers of ten; the rest is for what goes around it."""
MAX_STARTUP_S = 7200
"""Vertex AI gives up on a deployment after two hours."""


class VertexLog(LogSettings):
    """What containers print of requests, and the dataset into which a log sink of Cloud Logging moves it.

    `dataset` is `project.dataset`, in `location`; a reading of it is refused above `most_bytes_read`.
    """

    dataset: Annotated[
        str, AfterValidator(written_as(r"[a-z][a-z0-9-]{4,61}[a-z0-9]\.\w+", "project.dataset, such as news.requests"))
    ]
    location: str = "US"
    most_bytes_read: int = Field(default=100 << 30, gt=0)


class RequestLogging(Frozen):
    """Where Vertex AI itself logs whole requests, inputs with them: `table` is `project.dataset.table`.

    `sampling_rate` is a share.
    """

    table: Annotated[
        str,
        AfterValidator(written_as(r"[^.\s]+\.[^.\s]+\.[^.\s]+", "project.dataset.table, such as news.logs.requests")),
    ]
    sampling_rate: float = Field(default=1.0, gt=0, le=1)


class PrivateServiceConnect(Frozen):
    """Reaches the endpoint from `network` alone, where the run has to be as well: it asks before it moves traffic.

    `network` is `projects/<project>/global/networks/<name>`; Google makes the forwarding rule and tells its address.
    `project_allowlist` names the projects that may connect.
    """

    network: Annotated[
        str,
        AfterValidator(written_as(r"projects/[^/]+/global/networks/[^/]+", "projects/PROJECT/global/networks/NAME")),
    ]
    project_allowlist: tuple[str, ...] = Field(min_length=1)


class VertexHostSettings(HostSettings):
    """An endpoint of Vertex AI, one for each model and environment, found by its labels and never created twice.

    `staging` is where trained models are kept for the containers, `image` the serving image, `onnx_image` the one
    without torch, for versions that answer by graphs (None: `image` for them too), `command` what either runs (empty:
    its own entry point). A prediction may take `request_timeout_s`. `startup_timeout_s` is how long a version
    may take from its deployment until it is ready, machine and download included. `retry_timeout_s` is how long a call
    that meets 429, 503 or a timeout is repeated. `autoscaling_target` is percent: of the accelerator's duty cycle where
    there is one, else of CPU. `log` says what containers note of requests, and `request_logging` what Vertex AI keeps
    of them, from the next deployment on. `dedicated`, `encryption_key` and `private_service_connect` hold from the
    endpoint's creation; teardown and run again to change them.
    """

    hosting: ClassVar[str] = "evergreen.adapters.vertex.host:VertexHost"
    kind: Literal["vertex_endpoint"] = "vertex_endpoint"
    project: str = Field(min_length=1)
    region: Annotated[str, AfterValidator(check_region)]
    staging: Annotated[
        str,
        AfterValidator(
            written_as(r"gs://[a-z0-9][a-z0-9._-]+(/.*)?", "a folder of a bucket, such as gs://news/models")
        ),
    ]
    image: str = Field(min_length=1)
    onnx_image: str | None = Field(default=None, min_length=1)
    command: tuple[str, ...] = ()
    env: dict[str, str] = {}
    environment: ModelName = "production"
    machine_type: str = "n1-standard-4"
    accelerator_type: str | None = None
    accelerator_count: int = Field(default=0, ge=0)
    min_replicas: int = Field(default=1, ge=1)
    max_replicas: int = Field(default=1, ge=1)
    autoscaling_target: int = Field(default=60, ge=1, le=100)
    service_account: str | None = None
    dedicated: bool = True
    log: VertexLog | None = None
    request_logging: RequestLogging | None = None
    encryption_key: str | None = None
    private_service_connect: PrivateServiceConnect | None = None
    labels: dict[LabelKey, LabelValue] = {}
    startup_timeout_s: float = Field(default=1800.0, gt=0, le=MAX_STARTUP_S)
    request_timeout_s: float = Field(default=60.0, gt=0, le=3600)
    retry_timeout_s: float = Field(default=120.0, gt=0)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.max_replicas < self.min_replicas:
            raise ValueError(f"max_replicas {self.max_replicas} is less than min_replicas {self.min_replicas}")
        if (self.accelerator_type is None) != (self.accelerator_count == 0):
            raise ValueError("accelerator_type and accelerator_count go together; set both or neither")
        if self.private_service_connect and self.dedicated:
            raise ValueError("private_service_connect excludes dedicated, which is public; set dedicated: false")
        return self

    @property
    def max_request_bytes(self) -> int:
        """What the instances of one request may take as JSON, and its answer: less where others share the endpoint."""
        alone = self.dedicated or self.private_service_connect is not None
        return DEDICATED_BYTES if alone else SHARED_BYTES
