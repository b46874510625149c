"""The serving image without an engine: its requirements in a fresh environment, its copied files, its entry point."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from evergreen.core.artifacts import TrainedModel
from evergreen.core.processes import free_port, log_tail
from tests import tiny_text
from tests.dockerfile import ROOT, Dockerfile
from tests.waiting import wait_until

pytestmark = pytest.mark.e2e
NOT_IN_IT = ("zenml", "mlflow", "datasets", "pyarrow", "google.cloud.aiplatform")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image's files below a folder that stands for /, with a virtual environment as its Python."""
    root = tmp_path_factory.mktemp("image")
    for source, target in Dockerfile.of("serving").copies:
        place = root / target.strip("/")
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, place, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            place.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / source, place)
    subprocess.run([sys.executable, "-m", "venv", str(root / "venv")], check=True)
    install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]
    subprocess.run([python(root), *install, str(root / "srv" / "serving-requirements.txt")], check=True)
    return root


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> TrainedModel:
    folder = tmp_path_factory.mktemp("model")
    rows = tiny_text.headlines(60)
    splits = tiny_text.write_splits(
        folder / "splits", {"train": rows[:40], "validation": rows[40:50], "test": rows[50:]}
    )
    task = tiny_text.task_with(tiny_text.write_encoder(folder / "encoder"), epochs=1)
    return task.train(splits, tiny_text.RecordingRun.below(folder))


def python(root: Path) -> str:
    return str(root / "venv" / "bin" / "python")


def environment(root: Path, **variables: str) -> dict[str, str]:
    """The image's environment, its paths below `root`; nothing of this process's but where to find programs."""
    image = {
        name: value.replace("/srv", str(root / "srv")) for name, value in Dockerfile.of("serving").environment.items()
    }
    return {"PATH": os.environ["PATH"], **image, "EVERGREEN_HOST": "127.0.0.1", "OMP_NUM_THREADS": "1", **variables}


@pytest.fixture
def server(
    root: Path, model: TrainedModel, tmp_path: Path
) -> Iterator[tuple[subprocess.Popen[bytes], httpx.Client, Path]]:
    port = free_port()
    variables = {"AIP_STORAGE_URI": str(model.path), "AIP_HTTP_PORT": str(port)}
    program, *arguments = Dockerfile.of("serving").entrypoint
    assert program == "python"
    log = tmp_path / "log"
    with log.open("wb") as stderr, httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        process = subprocess.Popen(
            [python(root), *arguments], cwd=root / "srv", env=environment(root, **variables), stderr=stderr
        )
        yield process, client, log
        process.kill()
        process.wait()


def test_the_entry_point_loads_a_model_answers_and_drains(
    server: tuple[subprocess.Popen[bytes], httpx.Client, Path], model: TrainedModel
) -> None:
    process, client, log = server

    def ready() -> bool:
        assert process.poll() is None, log_tail(log)
        try:
            return client.get("/health").status_code == 200
        except httpx.TransportError:
            return False

    wait_until(ready, timeout_s=120)
    answer = client.post("/predict", json={"instances": [{"text": "a goal in the last match"}]}).json()
    assert answer["predictions"][0]["label"] in tiny_text.LABELS
    assert answer["metadata"]["model_version"] == model.version
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


def test_it_can_read_buckets_and_holds_nothing_that_only_pipelines_need(root: Path) -> None:
    script = (
        "import evergreen.adapters.gcs, gcsfs, importlib.util, sys\n"
        "def found(name):\n"
        "    try:\n"
        "        return importlib.util.find_spec(name) is not None\n"
        "    except ModuleNotFoundError:\n"
        "        return False\n"
        "sys.exit(' '.join(name for name in sys.argv[1:] if found(name)) or 0)"
    )
    done = subprocess.run(
        [python(root), "-c", script, *NOT_IN_IT],
        cwd=root / "srv",
        env=environment(root),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
