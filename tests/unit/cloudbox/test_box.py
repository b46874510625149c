"""The parts of a box that need no process: ports, certificates, images, hosts, refusals."""

from __future__ import annotations

import json
import ssl
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import httpx
import pytest
import yaml
from cryptography import x509

from cloudbox import environment, refusals
from cloudbox.box import HIGHEST_PORT, LOWEST_PORT, PORTS, Box, BoxError, open_box, open_or_make_box
from cloudbox.certificates import ensure_certificates
from cloudbox.credentials import ensure_credentials
from cloudbox.gateway.hosts import port_of, routes
from cloudbox.home import Home
from cloudbox.services import SERVICES
from cloudbox.services.zenml import COMPOSE, _key_opens


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return open_or_make_box(Home(tmp_path / "home"), region="europe-west4")


def test_every_service_has_ports_of_its_own_below_those_of_outgoing_connections(box: Box) -> None:
    ports = [port for service in box.ports.values() for port in service.values()]
    assert set(box.ports) == set(SERVICES) == set(PORTS)
    assert len(set(ports)) == len(ports)
    assert all(LOWEST_PORT <= port < HIGHEST_PORT for port in ports)


def test_a_box_is_found_again_as_it_was_made(box: Box) -> None:
    assert open_box(box.home) == box
    assert open_or_make_box(box.home) == box


def test_a_home_without_a_box_is_named(tmp_path: Path) -> None:
    with pytest.raises(BoxError, match=f"no box in {tmp_path}"):
        open_box(Home(tmp_path))


def test_zenml_is_set_up_as_the_compose_file_has_it_with_keys_that_are_kept(box: Box) -> None:
    server = SERVICES["zenml"]
    server.prepare(box)
    given = server.environment(box)
    written = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]["zenml"]["environment"]
    where = {"ZENML_CONFIG_PATH", "ZENML_LOCAL_STORES_PATH"}
    assert given.keys() - where == written.keys()
    assert given["ZENML_SERVER_SERVER_URL"] == box.url("zenml")
    keys = [given[name] for name, value in written.items() if ":?" in value]
    assert len(set(keys)) == len(keys) == 3
    server.prepare(box)
    assert server.environment(box) == given


def test_certificates_and_credentials_are_made_once(box: Box) -> None:
    assert ensure_certificates(box)
    assert ensure_credentials(box)
    assert not ensure_certificates(box)
    assert not ensure_credentials(box)


def test_the_certificate_names_google_s_hosts_and_is_signed_by_the_box_s_authority(box: Box) -> None:
    ensure_certificates(box)
    certificate = x509.load_pem_x509_certificate(box.home.server_certificate.read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    hosts = names.get_values_for_type(x509.DNSName)
    assert {"*.googleapis.com", "*.europe-west4-271828182845.prediction.vertexai.goog"} <= set(hosts)
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(box.home.ca.read_bytes()))
    ssl.create_default_context(cafile=str(box.home.ca))


@pytest.mark.parametrize(
    ("protocol", "host", "service"),
    [
        ("grpc", "europe-west4-aiplatform.googleapis.com", "vertex"),
        ("https", "EUROPE-WEST4-aiplatform.googleapis.com", "vertex"),
        ("https", "12.europe-west4-271828182845.prediction.vertexai.goog", "vertex"),
        ("grpc", "bigquerystorage.googleapis.com", "bigquery"),
        ("https", "bigquery.googleapis.com", "bigquery"),
        ("https", "oauth2.googleapis.com", "gateway"),
        ("grpc", "us-central1-aiplatform.googleapis.com", "gateway"),  # another region: refused by name
        ("https", "storage.googleapis.com", "gateway"),
    ],
)
def test_a_google_host_leads_to_its_service(box: Box, protocol: str, host: str, service: str) -> None:
    assert port_of(routes(box, protocol), host, 443) == box.port(service, protocol)


@pytest.mark.parametrize(
    ("host", "port"),
    [
        ("huggingface.co", 443),
        ("googleapis.com.example.com", 443),
        ("evilgoogleapis.com", 443),
        ("bigquery.googleapis.com", 80),
        ("169.254.169.254", 443),
    ],
)
def test_any_other_address_leads_nowhere(box: Box, host: str, port: int) -> None:
    assert port_of(routes(box, "https"), host, port) is None


def test_a_service_is_given_nothing_of_the_person_s_own_settings(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ZENML_STORE_URL", "MLFLOW_TRACKING_URI", "HTTPS_PROXY", "AWS_SECRET_ACCESS_KEY", "PYTHONHOME"):
        monkeypatch.setenv(name, "personal")
    given = environment.service_environment(box, "vertex")
    assert "personal" not in given.values()
    assert all(Path(given[name]).is_relative_to(box.home.path) for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME"))


def test_images_keep_what_a_person_wrote_and_follow_the_network(box: Box) -> None:
    assert environment.ensure_images(box, {})
    images = json.loads(box.home.images.read_text())
    assert images["*"]["python"] == sys.executable
    images["own:1"] = {"python": "/own/python", "code": "/app", "env": {"OWN": "1", "grpc_proxy": "old"}, "command": []}
    box.home.write(box.home.images, json.dumps(images))
    environment.ensure_images(box, {"own:1": {"python": "/new/python", "code": None}})
    own = json.loads(box.home.images.read_text())["own:1"]
    assert (own["python"], own["code"], own["command"]) == ("/new/python", None, [])
    assert own["env"] == {"OWN": "1", **environment.network(box)}
    assert not environment.ensure_images(box, {})


def test_exports_are_read_by_a_shell_as_they_were_meant(box: Box) -> None:
    with pytest.raises(BoxError, match="no ZenML API key"):
        environment.exports(box)
    box.home.write(box.home.state("zenml") / "key", "KEY with 'quotes'\n")
    assert """export ZENML_STORE_API_KEY='KEY with '"'"'quotes'"'"''""" in environment.exports(box).splitlines()


def test_refusals_of_many_processes_are_whole_lines(box: Box) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(partial(refusals.record, box.home, "gateway"), [f"host-{number}:443" for number in range(200)]))
    assert {refusal["what"] for refusal in refusals.listed(box.home)} == {f"host-{number}:443" for number in range(200)}


@pytest.mark.parametrize(("status", "opens"), [(200, True), (401, False), (500, None)])
def test_only_a_refused_key_of_zenml_counts_as_lost(status: int, opens: bool | None) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, request=request)

    with httpx.Client(base_url="http://zenml", transport=httpx.MockTransport(answer)) as client:
        if opens is None:
            with pytest.raises(httpx.HTTPStatusError):
                _key_opens(client, "key")
        else:
            assert _key_opens(client, "key") is opens
