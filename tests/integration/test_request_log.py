"""The request log of the local endpoint under the contract of every host, and what only its processes can meet."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from commands.client import Client
from commands.predicted_table import Tables, predict_table
from evergreen.adapters.files.rows import read_rows
from evergreen.adapters.files.settings import FilesSettings
from evergreen.adapters.local_endpoint.host import LocalHost
from evergreen.adapters.local_endpoint.settings import LocalLog
from evergreen.core.ramp import Ramp
from evergreen.core.rollout import Release, roll_out
from evergreen.monitoring.label_rows import label_table
from evergreen.monitoring.labels import join_labels
from evergreen.requestlog.reading import FolderLog
from tests.e2e.served import HOST, Served
from tests.keyword_model import COMMAND
from tests.keyword_server import GOOD, Server
from tests.noted import ALWAYS, rows
from tests.request_log_contract import Asked, RequestLogContract, files_below
from tests.rollouts import no_fetch
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
SECRET = "qoph-tav-1849"


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    served = Served(tmp_path_factory.mktemp("noted"))
    version = served.live()
    log = LocalHost(HOST, COMMAND).request_log("news", served.path / "state")
    yield Asked(served.endpoint, log, version, [served.files.root]).ask()
    served.endpoint.delete()


class TestLocalRequestLog(RequestLogContract):
    """The whole contract."""


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    served = Served(tmp_path)
    yield served
    served.endpoint.delete()


def test_rows_of_a_stopped_endpoint_are_all_there_and_become_parts_when_it_starts_again(served: Served) -> None:
    version = served.live()
    url = served.url()
    assert httpx.post(url, content=SECRET, headers={"content-type": "text/plain"}, trust_env=False).status_code == 415
    own = {"content-type": "text/plain", "x-unlogged": "1"}
    assert httpx.post(url, content=SECRET, headers=own, trust_env=False).status_code == 415
    served.endpoint.predict(GOOD["instances"], version)  # a question to one version is no traffic
    served.endpoint.predict(GOOD["instances"], logged=False)
    for _ in range(20):
        served.endpoint.predict(GOOD["instances"])
    psutil.Process(served.front().pid).terminate()
    wait_until(lambda: served.endpoint.status().url is None)
    expected = [(415, ""), *[(200, version)] * 20]
    wait_until(lambda: noted(served) == expected)
    served.endpoint.deploy(version)
    wait_until(lambda: len(list(served.files.requests.glob("*.parquet"))) == 2)
    assert noted(served) == expected


def test_a_rollout_with_a_ramp_leaves_no_row_of_its_own(served: Served) -> None:
    first = served.live()
    second = served.upload("second")
    served.endpoint.deploy(second)
    ramp = Ramp(shares=(50,), hold_s=1)
    release = Release(model="news", version=second, fetch=no_fetch, smoke=GOOD["instances"], ramp=ramp)
    assert roll_out(served.endpoint, release, first, lambda: None).outcome == "live"
    served.endpoint.predict(GOOD["instances"])
    wait_until(lambda: bool(noted(served)))
    assert noted(served) == [(200, second)]


def test_predictions_in_a_file_name_the_rows_of_the_log_that_labels_are_joined_with(
    served: Served, tmp_path: Path
) -> None:
    version = served.live()
    source, output = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text("text\n" + "".join(f"a {word}\n" for word in ("goal", "bank", "match", "goal", "stocks")))
    client = Client(served.endpoint.predict, lambda text: {"text": text}, 10_000)
    tables = Tables(source, output, "text", FilesSettings(path="unused"))
    for _ in range(2):  # the second replaces what the first wrote
        predict_table(client, tables, batch_size=2)
    wait_until(lambda: len(noted(served)) == 10)
    log = FolderLog(served.files.requests)
    answers = {(row["trace_id"], str(row["index"])): row["prediction"] for row in rows(log)}
    written = list(read_rows(output, FilesSettings(path="unused")))
    assert [answers[row["trace_id"], row["index"]] for row in written] == [row["label"] for row in written]
    assert len({row["trace_id"] for row in written}) == 3
    assert {(row["version"], row["error"]) for row in written} == {(version, "")}
    columns = {"trace_id": "trace_id", "index": "index", "label": "label"}
    labels = label_table(FilesSettings.model_validate({"path": str(output), "columns": columns}))
    joined = join_labels(labels, log.read(ALWAYS), version, ALWAYS)
    assert (joined.labels.used, joined.labels.unknown, list(joined.truth)) == (5, 0, list(joined.answers))


def noted(served: Served) -> list[tuple[int, str]]:
    """Status and version of each row; what the front refused comes first."""
    read = rows(FolderLog(served.files.requests))
    return sorted(((row["status"], row["version"]) for row in read), key=lambda row: -row[0])


def test_inputs_are_noted_by_opt_in_as_the_hook_leaves_them(tmp_path: Path) -> None:
    (tmp_path / "rules_of_tests.py").write_text(
        "def mask(instance):\n    if 'fail' in instance['text']:\n        raise ValueError(instance)\n"
        f"    return instance['text'].replace({SECRET!r}, '***')\n"
    )
    folder = tmp_path / "requests"
    log = LocalLog(inputs="rules_of_tests:mask").variables("news", str(folder))
    path = os.pathsep.join([str(tmp_path), str(ROOT), os.environ.get("PYTHONPATH", "")])
    server = Server(tmp_path, None, **log, PYTHONPATH=path)
    try:
        server.wait_ready()
        texts = [f"a goal {SECRET}", f"fail {SECRET}"]
        assert server.client.post("/predict", json={"instances": [{"text": text} for text in texts]}).is_success
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(10)
    finally:
        server.close()
    assert [row["input"] for row in rows(FolderLog(folder))] == ['"a goal ***"', None]
    written = [file for file in files_below([folder]) if SECRET.encode() in file.read_bytes()]
    assert written == []
    assert SECRET not in server.log.read_text()


def test_a_hook_that_cannot_be_imported_ends_the_server_with_one_line(tmp_path: Path) -> None:
    server = Server(tmp_path, None, **LocalLog(inputs="nowhere.at:all").variables("news", str(tmp_path / "requests")))
    try:
        assert server.process.wait(30) == 2
        assert "EVERGREEN_LOG_INPUTS names 'nowhere.at:all', which cannot be imported" in server.log.read_text()
    finally:
        server.close()


def test_a_stopped_server_has_noted_everything_and_a_killed_one_all_but_its_last_moment(tmp_path: Path) -> None:
    folder = tmp_path / "requests"
    for name, number in (("stopped", signal.SIGTERM), ("killed", signal.SIGKILL)):
        server = Server(tmp_path / name, None, **LocalLog().variables("news", str(folder)))
        try:
            server.wait_ready()
            before = len(rows(FolderLog(folder)))
            for _ in range(30):
                server.client.post("/predict", json=GOOD)
            if number == signal.SIGKILL:
                wait_until(lambda before=before: len(rows(FolderLog(folder))) == before + 30)  # type: ignore[misc]
            server.process.send_signal(number)
            server.process.wait(10)
        finally:
            server.close()
        assert len(rows(FolderLog(folder))) == before + 30
    (last, _) = sorted(folder.glob("*.jsonl"), key=lambda path: path.stat().st_mtime, reverse=True)
    last.write_bytes(last.read_bytes()[:-20])  # as a machine that lost power leaves it
    reading = FolderLog(folder).read(ALWAYS)
    assert sum(batch.num_rows for batch in reading) == 59
    assert reading.skipped == 1


def test_a_container_prints_its_requests_and_nothing_else(tmp_path: Path) -> None:
    server = Server(tmp_path / "quiet")
    server.close()
    process = subprocess.Popen(
        COMMAND,
        env={
            **os.environ,
            "AIP_STORAGE_URI": str(tmp_path / "quiet" / "model"),
            "AIP_HTTP_PORT": str(server.port),
            **LocalLog().variables("news", "stdout"),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        with httpx.Client(base_url=server.url, trust_env=False) as client:
            wait_until(lambda: is_ready(client))
            client.post("/predict", json={"instances": [{"text": SECRET}]})
    finally:
        process.terminate()
    printed, told = process.communicate(timeout=10)
    (line,) = printed.splitlines()
    assert json.loads(json.loads(line)["message"])["rows"][0]["prediction"] == "sport"
    assert SECRET.encode() not in printed + told


def is_ready(client: httpx.Client) -> bool:
    try:
        return client.get("/health").status_code == 200
    except httpx.TransportError:
        return False
