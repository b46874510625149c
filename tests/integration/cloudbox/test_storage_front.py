"""Cloud Storage between Google's clients and the emulator: whose a bucket is, and connections that stall or end."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from google.api_core import exceptions
from google.cloud import storage

from cloudbox import faults
from cloudbox.box import Box
from cloudbox.environment import network
from tests.running_box import running_box

LARGE = b"0123456789abcdef" * 2**16
STALL_S = 1.0


@pytest.fixture(scope="module")
def home_box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    with running_box(tmp_path_factory.mktemp("storage") / "home", "gcs", "gateway") as running:
        yield running.box


@pytest.fixture
def box(home_box: Box, monkeypatch: pytest.MonkeyPatch) -> Iterator[Box]:
    for name, value in network(home_box).items():
        monkeypatch.setenv(name, value)
    yield home_box
    faults.clear(home_box.home)


@pytest.fixture
def bucket(box: Box) -> Any:
    bucket = storage.Client().bucket("fronted")
    if not bucket.exists():
        bucket.create()
    return bucket


def fault(box: Box, kind: faults.Kind, target: str, **rule: Any) -> None:
    faults.add(box.home, faults.Fault(kind=kind, target=target, **rule))


def test_bytes_go_up_and_down_as_they_are(bucket: Any) -> None:
    """In one request, in parts of a resumable upload, and with names that have to be escaped."""
    bucket.blob("whole").upload_from_string(LARGE)
    parts = bucket.blob("folder/in parts?", chunk_size=2**18)
    parts.upload_from_file(io.BytesIO(LARGE))
    assert bucket.blob("whole").download_as_bytes() == parts.download_as_bytes() == LARGE
    bucket.rename_blob(bucket.blob("whole"), "renamed")
    assert [blob.name for blob in bucket.list_blobs()] == ["folder/in parts?", "renamed"]
    bucket.blob("renamed").delete()
    assert bucket.get_blob("renamed") is None


def test_a_bucket_is_told_to_be_the_projects(box: Box, bucket: Any) -> None:
    bucket.reload()
    listed = [other.project_number for other in bucket.client.list_buckets()]
    assert {bucket.project_number, *listed} == {box.project_number}


def test_a_bucket_of_another_project_tells_whose_it_is_and_may_not_be_used(box: Box, bucket: Any) -> None:
    fault(box, "foreign", "theirs")
    theirs = storage.Client().bucket("theirs")
    theirs.reload()
    assert theirs.project_number != box.project_number
    with pytest.raises(exceptions.Forbidden, match=r"storage\.objects\.insert.*denied"):
        theirs.blob("ours").upload_from_string(b"a secret")
    assert not (box.home.state("gcs") / "buckets" / "theirs").exists()
    with pytest.raises(exceptions.Forbidden, match="denied"):
        storage.Client(project="strangers").create_bucket("elsewhere")


def test_an_upload_that_is_cut_off_leaves_nothing_and_goes_through_again(box: Box, bucket: Any) -> None:
    fault(box, "cut", "storage.objects.insert", times=1)
    address = f"{box.url('gcs')}/upload/storage/v1/b/fronted/o?uploadType=media&name=cut"
    with pytest.raises(requests.ConnectionError):
        requests.post(address, data=LARGE, timeout=10)
    assert bucket.get_blob("cut") is None
    assert requests.post(address, data=LARGE, timeout=10).ok
    assert bucket.blob("cut").download_as_bytes() == LARGE


def test_a_download_is_cut_off_halfway(box: Box, bucket: Any) -> None:
    bucket.blob("half").upload_from_string(LARGE)
    fault(box, "cut", "storage.objects.get", times=1)
    address = f"{box.url('gcs')}/download/storage/v1/b/fronted/o/half?alt=media"
    chunks = requests.get(address, stream=True, timeout=10).iter_content(1024)
    assert next(chunks) == LARGE[:1024]
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        list(chunks)


@pytest.mark.parametrize("method", ["storage.objects.insert", "storage.objects.get"])
def test_a_transfer_stalls_halfway_and_goes_on(box: Box, bucket: Any, method: str) -> None:
    bucket.blob("slow").upload_from_string(LARGE)
    fault(box, "stall", method, seconds=STALL_S, times=1)
    began = time.monotonic()
    bucket.blob("slow").upload_from_string(LARGE)
    assert bucket.blob("slow").download_as_bytes() == LARGE
    assert time.monotonic() - began >= STALL_S
    assert faults.listed(box.home) == []


def test_calls_fail_on_demand_with_the_code_that_was_asked_for(box: Box, bucket: Any) -> None:
    fault(box, "error", "storage.objects.list", code="PERMISSION_DENIED", times=1)
    with pytest.raises(exceptions.Forbidden, match=r"fault on demand for storage\.objects\.list"):
        list(bucket.list_blobs())


def test_the_emulator_ends_with_its_front(tmp_path: Path) -> None:
    with running_box(tmp_path / "home", "gcs") as running:
        emulator = running.box.url("gcs", "emulator")
        assert requests.get(f"{emulator}/storage/v1/b", timeout=10).ok
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{emulator}/storage/v1/b", timeout=10)
