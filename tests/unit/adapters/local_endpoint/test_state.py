import json
import os
import socket
import threading
from pathlib import Path

import pytest

from evergreen.adapters.local_endpoint.front import main
from evergreen.adapters.local_endpoint.host import LocalHost
from evergreen.adapters.local_endpoint.settings import LocalHostSettings, LocalLog
from evergreen.adapters.local_endpoint.state import (
    EndpointFiles,
    FrontAddress,
    cap_log,
    write_atomically,
)
from evergreen.core.deployment import EndpointStatus
from evergreen.core.errors import EndpointError, InputError
from evergreen.runtime.locks import exclusive
from tests.endpoint_states import endpoint_state

STATE = endpoint_state(port=8501, versions=("a", "b"), traffic={"a": 100})


def test_the_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    files = EndpointFiles(tmp_path)
    assert files.read_state() is None
    files.write_state(STATE)
    assert files.read_state() == STATE


def test_a_damaged_state_is_an_error_that_names_the_file(tmp_path: Path) -> None:
    (tmp_path / "endpoint.json").write_text("{half")
    with pytest.raises(EndpointError, match=r"endpoint\.json is damaged"):
        EndpointFiles(tmp_path).read_state()


def test_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    contents = [json.dumps(["x" * 50_000, number]) for number in range(30)]
    write_atomically(path, contents[0])

    def write_all() -> None:
        for text in contents:
            write_atomically(path, text)

    writer = threading.Thread(target=write_all)
    writer.start()
    while writer.is_alive():
        assert path.read_text() in contents
    writer.join()
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


def test_a_second_front_is_told_that_one_runs_and_not_that_a_run_changes_something(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with exclusive(EndpointFiles(tmp_path / "news").front_lock, "taken"):
        assert main(tmp_path / "news") == 1
    assert "the front of news runs already" in capsys.readouterr().err


def test_a_front_that_does_not_answer_has_the_traffic_that_stands_on_disk(tmp_path: Path) -> None:
    EndpointFiles(tmp_path / "news").write_state(STATE)
    endpoint = LocalHost(LocalHostSettings(), ("true",)).open("news", tmp_path)
    assert endpoint.status() == EndpointStatus(url=None, traffic={"a": 100, "b": 0}, ready=())
    assert LocalHost(LocalHostSettings(), ("true",)).open("other", tmp_path).status().traffic == {}


def test_a_damaged_state_is_never_taken_for_an_empty_endpoint(tmp_path: Path) -> None:
    (tmp_path / "news").mkdir()
    (tmp_path / "news" / "endpoint.json").write_text("{half")
    with pytest.raises(EndpointError, match="damaged"):
        LocalHost(LocalHostSettings(), ("true",)).open("news", tmp_path).status()


@pytest.mark.parametrize(
    ("state", "undeployed"), [(STATE.model_dump_json(), ", undeployed a, b"), ("{half", "")], ids=["whole", "damaged"]
)
def test_what_is_deleted_of_an_endpoint_whose_front_is_dead_is_told_once(
    tmp_path: Path, state: str, undeployed: str
) -> None:
    endpoint = LocalHost(LocalHostSettings(), ("true",)).open("news", tmp_path)
    assert endpoint.delete() is None
    write_atomically(tmp_path / "news" / "endpoint.json", state)
    assert endpoint.delete() == f"removed {tmp_path.resolve() / 'news'}, of which nothing ran{undeployed}"
    assert endpoint.delete() is None


def test_a_port_that_somebody_else_holds_is_in_the_way_unless_any_will_do(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        message = rf"127\.0\.0\.1:{port}: .*held by .*pid {os.getpid()}.*set parameters\.host\.port"
        with pytest.raises(InputError, match=message):
            LocalHost(LocalHostSettings(port=port)).check("news", tmp_path)
    LocalHost(LocalHostSettings(port=port)).check("news", tmp_path)
    LocalHost(LocalHostSettings(port=0)).check("news", tmp_path)


def test_a_long_log_is_moved_aside_and_its_writer_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "v.log"
    with log.open("a") as writer:
        writer.write("old" * 100)
        writer.flush()
        cap_log(log, limit_bytes=1000)
        assert log.stat().st_size == 300
        cap_log(log, limit_bytes=100)
        writer.write("new")
    assert log.read_text() == "new"
    assert (tmp_path / "v.log.1").read_text() == "old" * 100


@pytest.mark.parametrize(
    ("host", "url"),
    [("127.0.0.1", "http://127.0.0.1:1"), ("0.0.0.0", "http://127.0.0.1:1"), ("::1", "http://[::1]:1")],  # noqa: S104
)
def test_the_url_reaches_the_front_from_this_machine(host: str, url: str) -> None:
    assert FrontAddress(pid=1, host=host, port=1).url == url


@pytest.mark.parametrize("model", ["", "../up", "a/b", ".hidden", "a b"])
def test_a_model_name_that_is_no_folder_name_is_refused(tmp_path: Path, model: str) -> None:
    with pytest.raises(InputError, match="cannot name a folder"):
        LocalHost(LocalHostSettings(), ("true",)).open(model, tmp_path)


def test_the_endpoint_is_on_loopback_by_default() -> None:
    assert LocalHostSettings().host == "127.0.0.1"


def test_what_is_noted_is_kept_beside_what_is_wanted_and_forgotten_when_it_is_off(tmp_path: Path) -> None:
    files = EndpointFiles(tmp_path)
    assert files.read_log() is None
    files.write_log(LocalLog(sample=0.5))
    assert files.read_log() == LocalLog(sample=0.5)
    files.write_log(None)
    assert files.read_log() is None


def test_reading_what_nobody_notes_says_which_field_to_set(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"host\.log is null"):
        LocalHost(LocalHostSettings(log=None)).request_log("news", tmp_path)
