"""The request log of an endpoint on Vertex AI under the contract of every host: stdout, log sink, table, rows."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.cloud.logging_v2.services.config_service_v2 import ConfigServiceV2Client

from cloudbox.box import Box
from cloudbox.environment import network
from evergreen.adapters.vertex.clients import Clients
from evergreen.adapters.vertex.endpoint import VertexEndpoint
from evergreen.adapters.vertex.host import VertexHost
from evergreen.adapters.vertex.names import container_alias
from evergreen.adapters.vertex.resource import EndpointResource
from evergreen.adapters.vertex.settings import RequestLogging, VertexLog
from evergreen.core.errors import InputError
from tests.hosted_trial import BUCKET, ROOT, HostedTrial, host_in
from tests.keyword_model import write_keyword_model
from tests.log_sink import make_sink
from tests.noted import ALWAYS, rows
from tests.request_log_contract import Asked, RequestLogContract

pytestmark = pytest.mark.filterwarnings("ignore:Retrieving Arrow record batches directly:PendingDeprecationWarning")
"""The library's word on the way that it documents itself."""


@pytest.fixture(scope="module")
def asked(led: Box, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    path = tmp_path_factory.mktemp("logged")
    log = VertexLog(dataset=f"{led.project}.requests")
    made, project = make_sink(*log.dataset.split(".")), led.project
    assert made.writer_identity == f"serviceAccount:service-{led.project_number}@gcp-sa-logging.iam.gserviceaccount.com"
    assert list(ConfigServiceV2Client().list_sinks(parent=f"projects/{project}")) == [made]
    host = host_in(
        led,
        staging=f"gs://{BUCKET}/logged",
        command=("python", "-m", "tests.keyword_model"),
        env={"PYTHONPATH": str(ROOT)},
        log=log,
    )
    trained = write_keyword_model(path / "model")
    endpoint = VertexEndpoint(host, "news")
    endpoint.upload(trained.version, trained.path)
    endpoint.deploy(trained.version)
    endpoint.set_traffic({trained.version: 100})
    reading = VertexHost(host).request_log("news", path)
    yield Asked(endpoint, reading, trained.version, [led.home.path]).ask()
    endpoint.delete()


class TestVertexRequestLog(RequestLogContract):
    """The whole contract."""


@pytest.mark.usefixtures("box")
def test_another_endpoint_of_the_same_model_has_no_rows_of_it(asked: Asked, google_box: Box, tmp_path: Path) -> None:
    other = host_in(google_box, log={"dataset": f"{google_box.project}.requests"})
    assert rows(VertexHost(other).request_log("news", tmp_path)) == []
    assert rows(asked.log, ALWAYS)


@pytest.mark.usefixtures("box")
def test_a_table_that_is_not_there_is_named(google_box: Box, tmp_path: Path) -> None:
    host = host_in(google_box, log={"dataset": f"{google_box.project}.nowhere"})
    with pytest.raises(InputError, match=r"request log in .*nowhere\.aiplatform_googleapis_com_prediction_container"):
        rows(VertexHost(host).request_log("news", tmp_path))
    with pytest.raises(InputError, match=r"host\.log is not set"):
        VertexHost(host_in(google_box)).request_log("news", tmp_path)


def test_what_is_logged_belongs_to_the_container_and_no_log_changes_none(box: Box) -> None:
    plain = host_in(box)
    logged = plain.model_copy(update={"log": VertexLog(dataset="local-project.requests")})
    sampled = plain.model_copy(update={"log": VertexLog(dataset="local-project.requests", sample=0.5)})
    aliases = [container_alias(host, "news", "36df30fb3710") for host in (plain, logged, sampled)]
    assert len(set(aliases)) == 3


def test_vertex_ais_own_logging_is_switched_on_over_and_off_on_a_live_endpoint(trial: HostedTrial) -> None:
    version, model_dir = trial.model("a")
    trial.endpoint.upload(version, model_dir)
    resource = EndpointResource(Clients(trial.host), "news", "live")
    created = resource.require().create_time
    tables: list[str] = []
    for logging in (RequestLogging(table="p.d.one"), RequestLogging(table="p.d.two", sampling_rate=0.1), None):
        for _ in range(2):
            host = trial.host.model_copy(update={"request_logging": logging})
            VertexEndpoint(host, "news").upload(version, model_dir)
        held = resource.require().predict_request_response_logging_config
        tables.append(held.bigquery_destination.output_uri)
        assert (held.enabled, held.sampling_rate) == (logging is not None, logging.sampling_rate if logging else 0.0)
    assert tables == ["bq://p.d.one", "bq://p.d.two", ""]
    assert resource.require().create_time == created


def test_sinks_answer_in_rest_as_gcloud_asks(google_box: Box) -> None:
    script = """
    import google.auth, json
    from google.auth.transport.requests import AuthorizedSession
    session = AuthorizedSession(google.auth.default(scopes=["https://www.googleapis.com/auth/cloud-platform"])[0])
    sinks = "https://logging.googleapis.com/v2/projects/local-project/sinks"
    to = "bigquery.googleapis.com/projects/local-project/datasets/other"
    wanted = {"name": "other", "destination": to, "filter": "severity>=ERROR"}
    partitioned = {"bigqueryOptions": {"usePartitionedTables": True}}
    answers = [
        session.post(sinks, json=wanted), session.post(sinks, json=wanted | partitioned),
        session.post(sinks, json=wanted | partitioned | {"name": "wrong", "filter": "severity >"}),
        session.post(sinks, json=wanted | partitioned), session.get(f"{sinks}/other"),
        session.delete(f"{sinks}/other"), session.get(f"{sinks}/other"),
    ]
    print(json.dumps([answer.status_code for answer in answers]))
    """
    inherited = {name: os.environ[name] for name in ("PATH", "VIRTUAL_ENV") if name in os.environ}
    code = "\n".join(line.removeprefix("    ") for line in script.splitlines())
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env={**inherited, **network(google_box)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "[400, 200, 400, 409, 200, 200, 404]"
