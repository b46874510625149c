"""A front that is too full to say how it is, and one that hangs."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from evergreen.adapters.local_endpoint import control
from evergreen.adapters.local_endpoint.control import FrontControl, start_front
from evergreen.adapters.local_endpoint.state import EndpointFiles, FrontAddress
from evergreen.core.errors import EndpointError
from evergreen.runtime.processes import free_port
from tests.endpoint_states import endpoint_state


class Full(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_error(503)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


class Process:
    """The front's process, as far as it is asked to end."""

    def __init__(self) -> None:
        self.killed = False

    def is_running(self) -> bool:
        return not self.killed

    def kill(self) -> None:
        self.killed = True

    def wait(self, _: float) -> None:
        return


@pytest.fixture
def full_port() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Full)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


def control_of(path: Path, port: int, process: Process, monkeypatch: pytest.MonkeyPatch) -> FrontControl:
    monkeypatch.setattr(control, "RELOAD_S", 0.05)
    monkeypatch.setattr(control, "find_front", lambda _: process)
    files = EndpointFiles(path)
    files.write_address(FrontAddress(pid=1, host="127.0.0.1", port=port))
    return FrontControl(files, endpoint_state(port=port))


def test_a_front_that_gives_any_answer_is_not_killed(
    tmp_path: Path, full_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = Process()
    front = control_of(tmp_path, full_port, process, monkeypatch)
    with pytest.raises(EndpointError, match="too full to say how it is; try again"):
        front.running()
    front.end_hung_front()
    assert not process.killed


def test_a_front_that_gives_none_is_ended_by_who_wants_it_to_and_by_no_question(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = Process()
    front = control_of(tmp_path, free_port(), process, monkeypatch)
    assert (front.running(), front.answers("a1")) == (None, False)
    with pytest.raises(EndpointError, match="the endpoint of news is down"):
        front.require_running()
    assert not process.killed
    front.end_hung_front()
    assert process.killed


def test_a_front_that_is_late_names_the_wait_and_the_setting_that_lengthens_it(tmp_path: Path) -> None:
    state = endpoint_state(startup_timeout_s=0.01)
    with pytest.raises(EndpointError) as caught:
        start_front(EndpointFiles(tmp_path), state)
    late = (
        "did not answer within 0.01 s, as on a busy machine; run again when it has less to do, or set parameters.host."
    )
    assert f"{late}startup_timeout_s higher. Its log {tmp_path}" in str(caught.value)


def test_a_front_that_ends_says_how_and_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "FRONT_MODULE", "no_such_module")
    with pytest.raises(
        EndpointError, match=r"(?s)front ended with exit code 1\. Its log .*No module named no_such_module"
    ):
        start_front(EndpointFiles(tmp_path), endpoint_state(startup_timeout_s=60))
