"""What the real Google clients get from the gateway and from the storage emulator, and what they are refused."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from cloudbox import environment
from tests.running_box import RunningBox, running_box

SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningBox]:
    with running_box(tmp_path_factory.mktemp("box") / "home", "gcs", "gateway") as box:
        yield box


@pytest.fixture
def network(box: RunningBox, monkeypatch: pytest.MonkeyPatch) -> RunningBox:
    for name, value in environment.network(box.box).items():
        monkeypatch.setenv(name, value)
    return box


def test_a_service_account_signs_in(network: RunningBox) -> None:
    import google.auth
    from google.auth.transport.requests import Request

    credentials, project = google.auth.default(scopes=SCOPES)
    credentials.refresh(Request())  # type: ignore[no-untyped-call]  # google-auth has few types
    assert project == "local-project"
    assert credentials.valid
    assert str(credentials.token).startswith("ya29.")


def test_a_key_that_is_not_the_box_s_is_refused(network: RunningBox) -> None:
    from google.auth.exceptions import RefreshError
    from google.auth.transport.requests import Request
    from google.oauth2 import service_account

    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    key_file = {**json.loads(network.box.home.credentials.read_text()), "private_key": stranger.decode()}
    credentials = service_account.Credentials.from_service_account_info(  # type: ignore[no-untyped-call]
        key_file, scopes=SCOPES
    )
    with pytest.raises(RefreshError, match="invalid_grant"):
        credentials.refresh(Request())


def test_grpc_clients_find_the_project_and_are_told_what_the_box_lacks(box: RunningBox) -> None:
    answers = json.loads(
        box.client(
            """
            import json
            from google.api_core import exceptions
            from google.cloud import resourcemanager_v3, secretmanager

            def refused(call):
                try:
                    call()
                except exceptions.GoogleAPICallError as error:
                    return type(error).__name__

            projects = resourcemanager_v3.ProjectsClient()
            project = projects.get_project(name="projects/local-project")
            over_rest = resourcemanager_v3.ProjectsClient(transport="rest").get_project(name=project.name)
            secrets = secretmanager.SecretManagerServiceClient()
            print(json.dumps({
                "id": project.project_id,
                "same over rest": over_rest == project,
                "other project": refused(lambda: projects.get_project(name="projects/other")),
                "other method": refused(lambda: list(projects.list_projects(parent="folders/1"))),
                "other api": refused(lambda: secrets.get_secret(name="projects/local-project/secrets/s")),
            }))
            """
        )
    )
    assert answers == {
        "id": "local-project",
        "same over rest": True,
        "other project": "PermissionDenied",
        "other method": "MethodNotImplemented",
        "other api": "MethodNotImplemented",
    }
    assert "google.cloud.resourcemanager.v3.Projects/ListProjects" in box.refused()
    assert "google.cloud.secretmanager.v1.SecretManagerService/GetSecret" in box.refused()


def test_a_service_that_is_down_looks_like_an_outage_and_not_like_a_refusal(network: RunningBox) -> None:
    before = len(network.refused()) if network.box.home.refusals.is_file() else 0
    with pytest.raises(requests.exceptions.ProxyError, match="503"):
        requests.get("https://us-central1-aiplatform.googleapis.com/v1/projects/p", timeout=10)
    after = len(network.refused()) if network.box.home.refusals.is_file() else 0
    assert after == before


@pytest.mark.parametrize("url", ["https://huggingface.co/model?token=hidden", "https://oauth2.googleapis.com:8443/"])
def test_a_host_that_is_not_in_the_box_is_refused_and_recorded(network: RunningBox, url: str) -> None:
    host = url.split("/")[2]
    with pytest.raises(requests.exceptions.ProxyError, match=r"403 .* is not in the box"):
        requests.get(url, timeout=10)
    what = network.refused()[-1]
    assert what == (host if ":" in host else f"{host}:443")


def test_plain_http_leaves_no_machine_either(network: RunningBox) -> None:
    answer = requests.get("http://example.com/page?token=hidden", timeout=10)
    assert answer.status_code == 403
    assert network.refused()[-1] == "example.com:80"


def test_a_google_host_without_handler_answers_unimplemented_over_rest(network: RunningBox) -> None:
    answer = requests.get("https://pubsub.googleapis.com/v1/projects/local-project/topics", timeout=10)
    assert answer.status_code == 501
    assert answer.json()["error"]["status"] == "UNIMPLEMENTED"
    assert network.refused()[-1] == "GET pubsub.googleapis.com/v1/projects/local-project/topics"


def test_storage_keeps_objects_and_preconditions(network: RunningBox) -> None:
    from google.api_core.exceptions import PreconditionFailed
    from google.cloud import storage

    bucket = storage.Client().create_bucket("artifacts", location="us-central1")
    blob = bucket.blob("model/weights.bin")
    content = bytes(range(256)) * 40_000  # larger than one chunk of a resumable upload's
    blob.upload_from_string(content, checksum="crc32c")
    assert blob.download_as_bytes() == content
    with pytest.raises(PreconditionFailed):
        blob.upload_from_string(b"other", if_generation_match=0)


def test_gcsfs_reads_what_storage_wrote_and_the_other_way_round(network: RunningBox) -> None:
    import gcsfs
    from google.cloud import storage

    bucket = storage.Client().create_bucket("shared", location="us-central1")
    bucket.blob("a/b.txt").upload_from_string("from storage")
    files = gcsfs.GCSFileSystem(skip_instance_cache=True)
    assert files.cat("shared/a/b.txt") == b"from storage"
    with files.open("shared/a/c.txt", "wb") as file:
        file.write(b"from gcsfs")
    assert bucket.blob("a/c.txt").download_as_bytes() == b"from gcsfs"
    assert sorted(files.ls("shared/a")) == ["shared/a/b.txt", "shared/a/c.txt"]
