import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from evergreen.core.errors import EndpointError, InputError
from evergreen.serving.contract import check_server
from tests.keyword_model import COMMAND, write_keyword_model

GOOD = [{"text": "a late goal"}, {"text": "bank"}]
IMPOSTOR = """
import os
from http.server import BaseHTTPRequestHandler, HTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(%(health)s); self.end_headers()
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200); self.send_header("x-trace-id", "contract"); self.end_headers()
        self.wfile.write(b'''%(body)s''')
print("last words", flush=True)
HTTPServer(("127.0.0.1", int(os.environ["AIP_HTTP_PORT"])), Handler).serve_forever()
"""


def impostor(health: int = 200, body: str = "{}") -> tuple[str, ...]:
    return (sys.executable, "-c", IMPOSTOR % {"health": health, "body": body})


def test_a_good_server_passes_every_clause(tmp_path: Path) -> None:
    model = write_keyword_model(tmp_path / "model", load_s=0.3)
    check_server(model.path, GOOD, command=COMMAND)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_that_is_killed_leaves_no_server_behind(tmp_path: Path, end: signal.Signals) -> None:
    model = write_keyword_model(tmp_path / "model", load_s=60)
    script = """
import sys
from pathlib import Path
from evergreen.serving.contract import check_server
from tests.keyword_model import COMMAND
check_server(Path(sys.argv[1]), [{"text": "bank"}], command=COMMAND)
"""
    with subprocess.Popen([sys.executable, "-c", script, str(model.path)]) as run:
        deadline = time.monotonic() + 20
        while not (servers := psutil.Process(run.pid).children()) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert servers
        run.send_signal(end)
    assert psutil.wait_procs(servers, timeout=15)[1] == []


def test_a_model_that_does_not_load_is_told_with_the_servers_last_words(tmp_path: Path) -> None:
    model = write_keyword_model(tmp_path / "model", broken=True)
    with pytest.raises(EndpointError, match=r"(?s)exit code 2.*names no keywords"):
        check_server(model.path, GOOD, command=COMMAND)


def test_a_server_that_is_not_ready_in_time_is_refused(tmp_path: Path) -> None:
    model = write_keyword_model(tmp_path / "model", load_s=30)
    with pytest.raises(EndpointError, match="no 200 within 1 s"):
        check_server(model.path, GOOD, deadline_s=1, command=COMMAND)


def test_instances_that_the_model_refuses_break_the_contract(tmp_path: Path) -> None:
    model = write_keyword_model(tmp_path / "model")
    with pytest.raises(EndpointError, match=r"status 400.*instances\[0\]"):
        check_server(model.path, [{"text": ""}], command=COMMAND)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (impostor(health=500), "health answers 500"),
        (impostor(body="{}"), "another shape"),
        (impostor(body='{"predictions": [1], "metadata": {"model_version": "x"}}'), "predictions, version and trace"),
    ],
)
def test_a_server_with_another_contract_is_refused_and_its_log_quoted(
    tmp_path: Path, command: tuple[str, ...], message: str
) -> None:
    model = write_keyword_model(tmp_path / "model")
    with pytest.raises(EndpointError, match=message) as caught:
        check_server(model.path, GOOD, command=command)
    assert "last words" in str(caught.value)


def test_a_folder_that_is_no_trained_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no TrainedModel"):
        check_server(tmp_path, GOOD, command=COMMAND)
