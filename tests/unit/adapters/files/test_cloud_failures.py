from typing import Any

import pytest
from aiohttp import ClientResponseError, ServerDisconnectedError
from gcsfs.retry import ChecksumError, HttpError
from google.auth.exceptions import DefaultCredentialsError
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from evergreen.adapters.files.cloud import CloudFile, cloud_files, fetched
from evergreen.core.errors import EvergreenError, InputError

NO_CREDENTIALS = DefaultCredentialsError("none found")  # type: ignore[no-untyped-call]  # google.auth has no types


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
        (HttpError({"code": 429, "message": "slow down"}), EvergreenError, "slow down, 429; try again later"),
        (HttpError({"code": 503, "message": "busy"}), EvergreenError, "try again later"),
        (answered(503), EvergreenError, "try again later"),
        (answered(404), EvergreenError, "went away while it was read"),
        (ServerDisconnectedError(), EvergreenError, "does not answer for gs://news/x"),
        (ChecksumError("wrong"), EvergreenError, "does not answer for gs://news/x"),
    ],
)
def test_failures_of_cloud_storage_are_told_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, error: Exception, kind: type[EvergreenError], message: str
) -> None:
    monkeypatch.setattr("gcsfs.GCSFileSystem", lambda **_: None)
    with pytest.raises(EvergreenError, match=message) as caught, cloud_files("gs://news/x"):
        raise error
    assert type(caught.value) is kind


def test_an_object_that_the_bucket_decompresses_is_refused() -> None:
    listed: dict[str, Any] = {"name": "news/a.csv", "size": 3, "md5Hash": "x", "contentEncoding": "gzip"}
    with pytest.raises(InputError, match="stored with Content-Encoding gzip"):
        next(fetched("gs://news", [CloudFile.of(listed)]))


@pytest.mark.parametrize(
    ("listed", "checksum"),
    [
        ({"md5Hash": "m", "crc32c": "c", "generation": "1"}, "md5:m"),
        ({"crc32c": "c", "generation": "1"}, "crc32c:c"),
        ({"generation": "1"}, "generation:1"),
    ],
)
def test_an_object_is_known_by_the_best_checksum_that_its_bucket_tells(listed: dict[str, str], checksum: str) -> None:
    assert CloudFile.of({"name": "news/a.csv", "size": "3", **listed}).checksum == checksum
