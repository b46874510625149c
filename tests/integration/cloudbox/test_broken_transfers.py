"""A bucket behind a proxy that cuts, stalls and refuses: whole models arrive, or an error says so in bounded time."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from evergreen.adapters.gcs import StorageError, copy_from, copy_to, reading, transfers
from evergreen.core.artifacts import FileEntry, TrainedModel, TrainedModelManifest
from evergreen.core.errors import EvergreenError, InputError
from tests.failing_proxy import FailingProxy, Failure, Request, failing_proxy
from tests.hosted_trial import BUCKET

pytestmark = pytest.mark.usefixtures("box")
MIB = 1024 * 1024
CHUNK = 4 * MIB


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of 4 MiB, and seconds where production waits for minutes."""
    monkeypatch.setattr(transfers, "CHUNK_BYTES", CHUNK)
    for module in (transfers, reading):
        monkeypatch.setattr(module, "CONNECT_TIMEOUT_S", 1.5)
        monkeypatch.setattr(module, "READ_TIMEOUT_S", 1.5)
        monkeypatch.setattr(module, "REPEAT_FOR_S", 4.0)


@pytest.fixture
def model(tmp_path: Path) -> TrainedModel:
    """Of three chunks."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "weights.bin").write_bytes(bytes(range(256)) * (9 * MIB // 256))
    entry = FileEntry.of(folder / "weights.bin", folder)
    manifest = TrainedModelManifest(files=(entry,), task={"kind": "none"}, trained_on="none", seed=0)
    return TrainedModel.write(folder, manifest)


def through(proxy: FailingProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, proxy.address)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "")


def second_chunk(request: Request) -> bool:
    return request.headers.get("content-range", "").startswith(f"bytes {CHUNK}-")


def content(request: Request) -> bool:
    return request.method == "GET" and "alt=media" in request.url and "weights.bin" in request.url


@pytest.mark.parametrize("failure", ["cut", "stall"])
def test_a_chunk_that_fails_for_ever_is_an_error_that_names_the_bucket(
    model: TrainedModel, failure: Failure, monkeypatch: pytest.MonkeyPatch
) -> None:
    began = time.monotonic()
    with failing_proxy(lambda request: failure if second_chunk(request) else None) as proxy:
        through(proxy, monkeypatch)
        with pytest.raises(StorageError, match=f"gs://{BUCKET}/broken") as caught:
            copy_to(model.path, f"gs://{BUCKET}/broken-{failure}")
    assert "try again later" in str(caught.value)
    assert not isinstance(caught.value, InputError)
    assert time.monotonic() - began < 15
    assert sum(map(second_chunk, proxy.seen)) > 1


@pytest.mark.parametrize("failure", ["cut", "unavailable"])
def test_a_chunk_that_fails_once_is_sent_again(
    model: TrainedModel, tmp_path: Path, failure: Failure, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = [failure]
    uri = f"gs://{BUCKET}/once-{failure}"
    with failing_proxy(lambda request: failures.pop() if failures and second_chunk(request) else None) as proxy:
        through(proxy, monkeypatch)
        copy_to(model.path, uri)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert TrainedModel.open(copy_from(uri, tmp_path / "copy")).version == model.version
    assert sum(map(second_chunk, proxy.seen)) == 2


@pytest.mark.parametrize("failure", ["cut body", "stall body"])
def test_a_download_that_breaks_off_goes_on_where_it_stopped(
    model: TrainedModel, tmp_path: Path, failure: Failure, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = f"gs://{BUCKET}/{failure.replace(' ', '-')}"
    copy_to(model.path, uri)
    failures = [failure]
    with failing_proxy(lambda request: failures.pop() if failures and content(request) else None) as proxy:
        through(proxy, monkeypatch)
        assert TrainedModel.open(copy_from(uri, tmp_path / "copy")).version == model.version
    ranges = [request.headers.get("range") for request in proxy.seen if content(request)]
    assert len(ranges) == 2
    assert str(ranges[1]).startswith("bytes=")


def test_a_download_that_never_goes_on_ends_in_bounded_time(
    model: TrainedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_to(model.path, f"gs://{BUCKET}/silent")
    began = time.monotonic()
    with failing_proxy(lambda request: "stall" if content(request) else None) as proxy:
        through(proxy, monkeypatch)
        with pytest.raises(EvergreenError, match=f"gs://{BUCKET}/silent"):
            copy_from(f"gs://{BUCKET}/silent", tmp_path / "copy")
    assert time.monotonic() - began < 15
    assert not (tmp_path / "copy" / "weights.bin").exists()
