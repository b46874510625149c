from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientResponseError, ServerDisconnectedError
from gcsfs.retry import ChecksumError, HttpError
from google.api_core import exceptions
from google.auth.exceptions import DefaultCredentialsError
from google.cloud.storage.exceptions import DataCorruption
from multidict import CIMultiDict, CIMultiDictProxy
from requests.exceptions import ProxyError
from yarl import URL

from evergreen.adapters.gcs import StorageError, copy_from, copy_to
from evergreen.adapters.gcs.bucket import bucket_files
from evergreen.core.artifacts import FileEntry, TrainedModel, TrainedModelManifest
from evergreen.core.errors import EvergreenError, InputError

NO_CREDENTIALS = DefaultCredentialsError("none found")  # type: ignore[no-untyped-call]  # google.auth has no types
NOT_FOUND = exceptions.from_http_status(404, "no bucket")  # type: ignore[no-untyped-call]  # nor has google.api_core
FORBIDDEN = exceptions.from_http_status(403, "no")  # type: ignore[no-untyped-call]
GIVEN_UP = exceptions.RetryError("Timeout of 600s exceeded", ValueError("503"))  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("name", ["../outside.bin", "/etc/passwd", "a/../../b"])
def test_a_manifest_that_leads_out_of_its_directory_is_refused(tmp_path: Path, name: str) -> None:
    entry = FileEntry.model_construct(name=name, sha256="0" * 64, bytes=1)
    TrainedModel.write(tmp_path, TrainedModelManifest(files=(entry,), task={}, trained_on="none", seed=0))
    with pytest.raises(InputError, match=r"no TrainedModel at .*leads out of the directory"):
        copy_to(tmp_path, "gs://bucket/model")


@pytest.mark.parametrize("uri", ["/models/a", "s3://bucket/model", "gs://"])
def test_only_cloud_storage_addresses_are_taken(tmp_path: Path, uri: str) -> None:
    with pytest.raises(InputError, match="gs://bucket/folder"):
        copy_from(uri, tmp_path)


def answered(status: int) -> ClientResponseError:
    from aiohttp import RequestInfo

    request = RequestInfo(URL("http://box"), "GET", CIMultiDictProxy(CIMultiDict()), URL("http://box"))
    return ClientResponseError(request, (), status=status)


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (FileNotFoundError("b/news/o/x"), InputError, "nothing at 'gs://news/x'"),
        (NO_CREDENTIALS, InputError, "gcloud auth application-default login"),
        (OSError("Forbidden: news"), InputError, r"the account needs roles/storage\.objectViewer"),
        (HttpError({"code": 403, "message": "no"}), InputError, "may not be used"),
        (answered(403), InputError, "may not be used"),
        (HttpError({"code": 429, "message": "slow down"}), EvergreenError, "gs://news/x: slow down, 429; a quota"),
        (HttpError({"code": 400, "message": "no"}), InputError, "may not be used"),
        (HttpError({"code": 401, "message": "who"}), InputError, "no credentials .*: who, 401; log in: gcloud"),
        (HttpError({"code": 503, "message": "busy"}), EvergreenError, "try again later"),
        (answered(503), EvergreenError, "try again later"),
        (answered(404), EvergreenError, "went away while it was read"),
        (NOT_FOUND, InputError, "nothing at 'gs://news/x' .*; set source.path"),
        (FORBIDDEN, InputError, "may not be used"),
        (GIVEN_UP, EvergreenError, "503; try again later"),
        (DataCorruption(None, "crc32c differs"), EvergreenError, "crc32c differs; try again later"),
        (ServerDisconnectedError(), EvergreenError, "does not answer for gs://news/x"),
        (ChecksumError("wrong"), EvergreenError, "does not answer for gs://news/x"),
        (ValueError("Bad Request: b/News\n400, invalid bucket name"), InputError, "may not be used"),
        (ProxyError(), EvergreenError, "gs://news/x cannot be used now: ProxyError"),
        (ConnectionResetError(104, "reset by peer"), EvergreenError, "cannot be used now"),
    ],
)
def test_failures_of_cloud_storage_are_told_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, error: Exception, kind: type[EvergreenError], message: str
) -> None:
    monkeypatch.setattr("gcsfs.GCSFileSystem", lambda **_: None)
    with pytest.raises(StorageError, match=message) as caught, bucket_files("gs://news/x", "set source.path"):
        raise error
    assert caught.value.exit_code == kind.exit_code


@pytest.mark.parametrize("status", [411, 416, 501])
def test_what_cannot_be_carried_out_asks_for_no_role(monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    monkeypatch.setattr("gcsfs.GCSFileSystem", lambda **_: None)
    of_google = exceptions.from_http_status(status, "never")  # type: ignore[no-untyped-call]
    for error in (HttpError({"code": status, "message": "never"}), answered(status), of_google):
        with pytest.raises(StorageError) as caught, bucket_files("gs://news/x", "set source.path"):
            raise error
        message = str(caught.value)
        assert message.startswith("Cloud Storage does not do what was asked of gs://news/x: ")
        assert (caught.value.exit_code, "roles/" in message, "try again" in message) == (1, False, False)


@pytest.mark.parametrize(
    "error",
    [
        PermissionError(13, "Permission denied", "/models/a/model.safetensors"),
        FileNotFoundError(2, "No such file or directory", "/models/a/model.safetensors"),
        OSError(28, "No space left on device"),
    ],
)
def test_a_file_of_this_machine_that_fails_is_not_blamed_on_the_bucket(
    monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    monkeypatch.setattr("gcsfs.GCSFileSystem", lambda **_: None)
    opened = bucket_files("gs://news/x", "set source.path")
    with pytest.raises(EvergreenError, match=r"a file of this machine failed.*make it readable") as caught, opened:
        raise error
    assert not isinstance(caught.value, StorageError)
    assert str(error.filename or error.strerror) in str(caught.value)


def test_errors_of_the_project_and_of_programmers_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gcsfs.GCSFileSystem", lambda **_: None)
    for error in (InputError("several formats"), ValueError("not a number")):
        with pytest.raises(type(error), match=str(error)) as caught, bucket_files("gs://news/x", "set source.path"):
            raise error
        assert caught.value is error


def test_a_bucket_whose_connection_falls_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}
    monkeypatch.setattr("gcsfs.GCSFileSystem", lambda **options: given.update(options))
    with bucket_files("gs://news/x", "set source.path"):
        pass
    assert (given["requests_timeout"].sock_connect, given["requests_timeout"].sock_read) == (30, 60)
