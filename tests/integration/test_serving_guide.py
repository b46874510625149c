"""The first command of docs/serving.md, as it stands there, on what the local endpoint of the demo leaves."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx

from bench.untrained import small_encoder, untrained
from evergreen.runtime.processes import free_port
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "serving.md"


def test_the_first_command_serves_the_version_that_the_endpoint_got_last(tmp_path: Path) -> None:
    found = re.search(r"```bash\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    models = tmp_path / "evergreen" / "bbc-news" / "models"
    for name in ("older", "newest"):
        model = untrained(models / name, small_encoder(tmp_path / name, ["goal", "bank"]), 32)
    os.utime(models / "older", (0, 0))
    port = free_port()
    script = found[1].replace("8080", str(port)).replace("python -m", "exec python -m")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "ZENML_CONFIG_PATH": str(tmp_path), "PYTHONPATH": str(ROOT), "PATH": path}
    with subprocess.Popen(["/bin/bash", "-c", script], cwd=ROOT, env=environment, stderr=subprocess.DEVNULL) as server:
        try:
            wait_until(lambda: is_ready(port), timeout_s=60)
            asked = {"instances": [{"text": "a goal"}]}
            answer = httpx.post(f"http://127.0.0.1:{port}/predict", json=asked, trust_env=False).json()
        finally:
            server.send_signal(signal.SIGTERM)
    assert answer["metadata"]["model_version"] == model.version
    assert server.returncode == 0


def is_ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
