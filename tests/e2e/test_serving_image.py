"""The serving image without an engine: its requirements in a fresh environment, its copied files, its entry point."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from cloudbox.environment import network
from evergreen.core.artifacts import TrainedModel
from evergreen.core.members import trainable
from evergreen.runtime.processes import free_port, log_tail
from tests import tiny_text
from tests.dockerfile import ROOT, Dockerfile
from tests.running_box import running_box
from tests.waiting import wait_until

pytestmark = pytest.mark.e2e
Popen = subprocess.Popen[bytes]
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
    install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile", "-r"]
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
    return trainable(task).train(splits, tiny_text.RecordingRun.below(folder))


def python(root: Path) -> str:
    return str(root / "venv" / "bin" / "python")


def environment(root: Path, **variables: str) -> dict[str, str]:
    """The image's environment, its paths below `root`; nothing of this process's but where to find programs."""
    image = {
        name: value.replace("/srv", str(root / "srv")) for name, value in Dockerfile.of("serving").environment.items()
    }
    return {"PATH": os.environ["PATH"], **image, "EVERGREEN_HOST": "127.0.0.1", "OMP_NUM_THREADS": "1", **variables}


@pytest.fixture(scope="module")
def bucket(model: TrainedModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, str]]]:
    """Where the model lies in Cloud Storage, and the environment that leads there."""
    uri = f"gs://served-models/{model.version}"
    with running_box(tmp_path_factory.mktemp("google") / "home", "gcs", "gateway") as box:
        box.client(f"""
            import sys; sys.path.insert(0, {str(ROOT)!r})
            import gcsfs
            from pathlib import Path
            from evergreen.adapters.gcs import copy_to
            gcsfs.GCSFileSystem(project={box.box.project!r}).mkdir("served-models")
            copy_to(Path({str(model.path)!r}), {uri!r})
        """)
        yield uri, network(box.box)


@contextmanager
def serving(root: Path, log: Path, storage_uri: str, **variables: str) -> Iterator[tuple[Popen, httpx.Client]]:
    """The image's entry point as a process that is ready, and a client that asks it."""
    port = free_port()
    program, *arguments = Dockerfile.of("serving").entrypoint
    assert program == "python"
    settings = environment(root, AIP_STORAGE_URI=storage_uri, AIP_HTTP_PORT=str(port), **variables)
    with log.open("wb") as stderr, httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        process = subprocess.Popen([python(root), *arguments], cwd=root / "srv", env=settings, stderr=stderr)

        def ready() -> bool:
            assert process.poll() is None, log_tail(log)
            try:
                return client.get("/health").status_code == 200
            except httpx.TransportError:
                return False

        try:
            wait_until(ready, timeout_s=120)
            yield process, client
        finally:
            process.kill()
            process.wait()


def test_the_entry_point_loads_a_model_answers_and_drains(root: Path, model: TrainedModel, tmp_path: Path) -> None:
    with serving(root, tmp_path / "log", str(model.path)) as (process, client):
        answer = client.post("/predict", json={"instances": [{"text": "a goal in the last match"}]}).json()
        assert answer["predictions"][0]["label"] in tiny_text.LABELS
        assert answer["metadata"]["model_version"] == model.version
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_it_serves_a_model_out_of_cloud_storage(
    root: Path, model: TrainedModel, bucket: tuple[str, dict[str, str]], tmp_path: Path
) -> None:
    uri, network_variables = bucket
    with serving(root, tmp_path / "log", uri, **network_variables) as (_, client):
        answer = client.post("/predict", json={"instances": [{"text": "a goal in the last match"}]}).json()
        assert answer["metadata"]["model_version"] == model.version


def test_it_holds_nothing_that_only_pipelines_need(root: Path) -> None:
    script = (
        "import importlib.util, sys\n"
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
